import type { Schema } from '../../core/schema.ts'
import { parseColumnType, quoteName } from '../../dataplane/index.ts'

/** Column of a change stream that says what to do with a row: 0 puts it, 1 deletes its key. */
export const OP = '__op'

/** Columns of the table: those of the rows without what says what to do with them. */
export function tableColumns(schema: Schema): Schema {
  return schema.filter(({ name }) => name !== OP)
}

/** Parquet has no integers of 128 bits, and no JSON that DuckDB does not look into: they are staged as text. */
export function stagedSelect(schema: Schema): string {
  return schema
    .map(({ name, type }) => (isText(type) ? `CAST(${quoteName(name)} AS VARCHAR) AS ` : '') + quoteName(name))
    .join(', ')
}

/** A staged column as a value of its type. */
export function appliedColumn({ name, type }: Schema[number]): string {
  return isText(type) ? `CAST(${quoteName(name)} AS ${type})` : quoteName(name)
}

function isText(type: string): boolean {
  const parsed = parseColumnType(type)
  return parsed.kind === 'json' || (parsed.kind === 'integer' && /^u?hugeint$/.test(parsed.name))
}
