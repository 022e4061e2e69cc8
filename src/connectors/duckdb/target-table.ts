import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { quoteText } from '../../dataplane/index.ts'
import { tableColumns } from './columns.ts'
import type { RunSql } from './database-file.ts'
import type { DuckdbSinkOptions } from './options.ts'

export interface FoundTable {
  readonly columns: ReadonlyMap<string, string>
  /** Unique or primary keys, each as its columns. */
  readonly uniques: readonly (readonly string[])[]
  /** One of them is the key that was asked for. */
  readonly isUnique: boolean
}

export async function describeTable(run: RunSql, table: string, key: readonly string[] = []): Promise<FoundTable> {
  const is = `schema_name = 'main' AND table_name = ${quoteText(table)}`
  const columns = await run(`SELECT column_name, data_type FROM duckdb_columns() WHERE ${is}`)
  const constraints = await run(
    `SELECT array_to_string(constraint_column_names, chr(31)) FROM duckdb_constraints() ` +
      `WHERE ${is} AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')`,
  )
  const uniques = constraints.map(([names]) => String(names).split('\u001f'))
  return {
    columns: new Map(columns.map(([name, type]) => [String(name), String(type)])),
    uniques,
    isUnique: uniques.some((one) => isSame(one, key)),
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name))
}

/** Every column of the rows is in the table, and nothing in the table is unique but the key. */
export function assertFits({ columns, uniques }: FoundTable, schema: Schema, options: DuckdbSinkOptions): void {
  const { table, key } = options
  const missing = tableColumns(schema).filter(({ name }) => !columns.has(name))
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ')
    throw new MillraceError(`the table ${table} has no column ${names}: add it, or leave it out with SQL`, {
      code: 'SCHEMA',
    })
  }
  const other = uniques.find((one) => !isSame(one, key))
  if (other !== undefined) {
    const message = `the table ${table} has a unique key (${other.join(', ')}) that is not the key of the sink`
    throw new MillraceError(message, { code: 'SCHEMA' })
  }
}
