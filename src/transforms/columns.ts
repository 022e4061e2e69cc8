import type { Schema } from '../core/schema.ts'
import { parseColumnType, type Column } from '../dataplane/index.ts'

/** The data plane's columns of a schema. */
export function columnsOf(schema: Schema): Column[] {
  return schema.map(({ name, type, nullable }) => ({ name, type: parseColumnType(type), nullable }))
}
