import type { Schema } from '../../core/schema.ts'
import { quoteName, quoteText } from '../../dataplane/index.ts'
import { appliedColumn, OP, tableColumns } from './columns.ts'

export interface ApplyAsk {
  readonly table: string
  readonly schema: Schema
  readonly key: readonly string[]
  /** The table has a constraint on the key, so that rows are replaced instead of deleted and put in again. */
  readonly isUnique: boolean
  readonly files: readonly string[]
}

/** Puts staged rows into the table, inside of a transaction. Of equal keys the last row counts. */
export function applySql({ table, schema, key, isUnique, files }: ApplyAsk): readonly string[] {
  const columns = tableColumns(schema)
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  const values = columns.map(appliedColumn).join(', ')
  const list = `[${files.map(quoteText).join(', ')}]`
  const target = quoteName(table)
  if (key.length === 0) return [`INSERT INTO ${target} (${names}) SELECT ${values} FROM read_parquet(${list})`]
  const keys = key.map(quoteName)
  // All rows of a key are in the file of one lane, in their order.
  const last =
    `SELECT *, row_number() OVER (PARTITION BY ${keys.join(', ')} ORDER BY file_row_number DESC) AS "__nth" ` +
    `FROM read_parquet(${list}, file_row_number = true)`
  const isPut = schema.some(({ name }) => name === OP) ? `${quoteName(OP)} = 0` : 'true'
  const isSame = keys.map((name) => `${target}.${name} IS NOT DISTINCT FROM changes.${name}`).join(' AND ')
  const gone = isUnique ? ` AND NOT (${isPut.replace('"__op"', 'changes."__op"')})` : ''
  const others = columns.filter(({ name }) => !key.includes(name)).map(({ name }) => quoteName(name))
  const onConflict =
    others.length === 0
      ? 'DO NOTHING'
      : `DO UPDATE SET ${others.map((name) => `${name} = excluded.${name}`).join(', ')}`
  return [
    `CREATE OR REPLACE TEMP TABLE changes AS SELECT * FROM (${last}) WHERE "__nth" = 1`,
    `DELETE FROM ${target} USING changes WHERE ${isSame}${gone}`,
    `INSERT INTO ${target} (${names}) SELECT ${values} FROM changes WHERE ${isPut}` +
      (isUnique ? ` ON CONFLICT (${keys.join(', ')}) ${onConflict}` : ''),
    'DROP TABLE changes',
  ]
}

export function createTableSql(table: string, schema: Schema): string {
  const columns = tableColumns(schema).map(
    ({ name, type, nullable }) => `${quoteName(name)} ${type}${nullable ? '' : ' NOT NULL'}`,
  )
  return `CREATE TABLE IF NOT EXISTS ${quoteName(table)} (${columns.join(', ')})`
}
