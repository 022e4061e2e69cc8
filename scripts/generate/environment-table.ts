import { KAFKA_ENVIRONMENT } from '../../src/kafka/index.ts'

/** The variables that the Kafka toolkit reads. */
export function environmentTable(): string {
  const rows = KAFKA_ENVIRONMENT.map(({ name, meaning }) => `| \`${name}\` | ${meaning} |`)
  return ['| variable | meaning |', '| --- | --- |', ...rows].join('\n')
}
