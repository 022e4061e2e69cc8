import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteText } from '../../src/dataplane/sql-text.ts'
import { QuickstartError } from './quickstart-error.ts'

/** All flights of the original: three million, January to June 2001, as the US Bureau of Transportation recorded them. */
export const ALL_FLIGHTS = 3_000_000

/** The logs that were made from the original. */
export interface Logs {
  readonly rows: number
  /** Sizes by file name. */
  readonly files: Readonly<Record<string, number>>
}

const SHARDS = 12
const BYTES_PER_LINE = 92

/** Says what the logs were made of. The file source leaves out names that begin with a dot. */
const LABEL = '.made-of.json'

/** The original, as a table expression for DuckDB. */
export function originalSql(rows: number): string {
  const file = quoteText(originalPath())
  return `(SELECT * EXCLUDE (file_row_number) FROM read_parquet(${file}, file_row_number = true) WHERE file_row_number < ${rows})`
}

function originalPath(): string {
  let file = ''
  try {
    file = fileURLToPath(new URL('../data/flights-3m.parquet', import.meta.resolve('vega-datasets')))
  } catch {
    // Not installed: said below.
  }
  if (existsSync(file)) return file
  throw new QuickstartError(
    'the package vega-datasets, which has the flights, is not installed',
    'Run `npm install --no-save` here, then `npm start` again.',
  )
}

/** The logs of an earlier run, if they are whole and have this many rows. */
export function findLogs(directory: string, rows?: number): Logs | undefined {
  const label = path.join(directory, LABEL)
  if (!existsSync(label)) return undefined
  const logs = JSON.parse(readFileSync(label, 'utf8')) as Logs
  const isWhole = Object.entries(sizesIn(directory)).every(([name, size]) => logs.files[name] === size)
  return isWhole && logs.rows === (rows ?? logs.rows) ? logs : undefined
}

/** Splits the original into NDJSON logs, as a fleet of servers would have left them behind. */
export async function makeLogs(database: DuckDBConnection, directory: string, rows: number): Promise<Logs> {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(path.dirname(directory), { recursive: true })
  await database.run(
    `COPY ${originalSql(rows)} TO ${quoteText(directory)}
     (FORMAT json, FILE_EXTENSION 'ndjson', FILENAME_PATTERN 'flights-{i}', PER_THREAD_OUTPUT, FILE_SIZE_BYTES ${Math.ceil((rows * BYTES_PER_LINE) / SHARDS)})`,
  )
  const logs = { rows, files: sizesIn(directory) }
  writeFileSync(path.join(directory, LABEL), JSON.stringify(logs, undefined, 2))
  return logs
}

function sizesIn(directory: string): Record<string, number> {
  const names = readdirSync(directory).filter((name) => !name.startsWith('.'))
  return Object.fromEntries(names.map((name) => [name, statSync(path.join(directory, name)).size]))
}
