import { KAFKA_ENVIRONMENT } from '../../src/kafka/index.ts'
import { LOAD_ENVIRONMENT } from '../../src/load/environment.ts'

/** The variables that the Kafka toolkit reads. */
export function kafkaEnvironmentTable(): string {
  return tableOf(KAFKA_ENVIRONMENT)
}

/** The variables that the load clients read, without their prefixes. */
export function loadEnvironmentTable(): string {
  return tableOf(LOAD_ENVIRONMENT)
}

function tableOf(entries: readonly { readonly name: string; readonly meaning: string }[]): string {
  const rows = entries.map(({ name, meaning }) => `| \`${name}\` | ${meaning} |`)
  return ['| variable | meaning |', '| --- | --- |', ...rows].join('\n')
}
