import { writeFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import type { ColumnCodec } from '../column-types.ts'
import type { TableStore } from '../table.ts'

/** A result as text, the way the MySQL protocol sends it. */
export interface TextResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly (string | null)[])[]
}

/** Answers a SELECT over the visible rows. Everything is loaded anew each time: this is for looking, not for speed. */
export async function answerSelect(
  text: string,
  tables: readonly TableStore[],
  currentDatabase: string | undefined,
): Promise<TextResult> {
  const directory = await mkdtemp(path.join(tmpdir(), 'millrace-query-'))
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    for (const [index, table] of tables.entries()) {
      await loadTable(connection, table, path.join(directory, `${index}.ndjson`))
    }
    await connection.run('SET enable_external_access = false')
    if (currentDatabase !== undefined) {
      await connection.run(`CREATE SCHEMA IF NOT EXISTS ${quoted(currentDatabase)}; USE ${quoted(currentDatabase)}`)
    }
    const reader = await connection.runAndReadAll(text.replaceAll('`', '"'))
    const types = reader.columnTypes().map(String)
    const columns = reader.columnNames().map((name, index) => ({ name, type: types[index] ?? 'VARCHAR' }))
    return { columns, rows: reader.getRows().map((row) => row.map(textOf)) }
  } finally {
    connection.closeSync()
    instance.closeSync()
    await rm(directory, { recursive: true, force: true })
  }
}

async function loadTable(connection: DuckDBConnection, table: TableStore, file: string): Promise<void> {
  const { database, table: name } = table.definition
  const columns = table.columns.map((column) => `${quoted(column.name)} ${duckdbType(column)}`)
  await connection.run(`CREATE SCHEMA IF NOT EXISTS ${quoted(database)}`)
  await connection.run(`CREATE TABLE ${quoted(database)}.${quoted(name)} (${columns.join(', ')})`)
  await writeFile(file, Buffer.concat([...table.encodedRows()]))
  const read = table.columns.map((column) => `${literal(column.name)}: 'VARCHAR'`).join(', ')
  const casts = table.columns.map((column) => `CAST(${quoted(column.name)} AS ${duckdbType(column)})`)
  if (table.rowCount === 0) return
  await connection.run(
    `INSERT INTO ${quoted(database)}.${quoted(name)} SELECT ${casts.join(', ')}
     FROM read_json(${literal(file)}, format = 'newline_delimited', columns = {${read}})`,
  )
}

function duckdbType({ type, kind }: ColumnCodec): string {
  const name = /^\s*(\w+)/.exec(type)?.[1]?.toUpperCase() ?? ''
  if (kind === 'integer') return name === 'LARGEINT' ? 'HUGEINT' : name
  if (kind === 'boolean') return 'BOOLEAN'
  if (kind === 'float') return name
  if (name.startsWith('DECIMAL')) return `DECIMAL${/\(.*\)/.exec(type)?.[0] ?? '(10,0)'}`
  if (name.startsWith('DATETIME')) return 'TIMESTAMP'
  return name.startsWith('DATE') ? 'DATE' : 'VARCHAR'
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean') return value ? '1' : '0'
  return String(value)
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
