import type { Schema } from '../core/schema.ts'
import { parseColumnType, quoteName } from '../dataplane/index.ts'

/** The moment of a row in microseconds, from a column that holds one. */
export function microsSql(column: string, input: Schema): string {
  const name = quoteName(column)
  const type = parseColumnType(input.find((one) => one.name === column)?.type ?? 'varchar')
  return `epoch_us(${type.kind === 'date' ? `CAST(${name} AS TIMESTAMP)` : name})`
}
