import { createHash } from 'node:crypto'
import { existsSync, globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { filesSinkOptions, layoutOf } from '../../connectors/files/options.ts'
import type { Plan, SinkStep } from '../../plan/plan.ts'
import { LocalFileStore } from '../../storage/local-file-store.ts'
import { viewHudiTable } from '../hudi-checker.ts'
import { databaseOf, type StandIn } from './stand-in.ts'

/** How often a reader of each sink sees each row, as text. */
export type SeenRows = ReadonlyMap<string, ReadonlyMap<string, number>>

/** Reads every sink by ways of its own, not by the connectors'. */
export async function readSinks(plan: Plan, standIn: StandIn): Promise<SeenRows> {
  const seen = new Map<string, ReadonlyMap<string, number>>()
  for (const step of plan.steps) {
    if (step.kind !== 'sink' || step.connector === 'blackhole') continue
    seen.set(step.id, tally(await linesOf(step, standIn)))
  }
  return seen
}

/** A hash over rows and counts that does not depend on their order. */
export function digestOf(rows: ReadonlyMap<string, number>): string {
  const hash = createHash('sha256')
  for (const [line, count] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${count} ${line}\n`)
  return hash.digest('hex').slice(0, 16)
}

/** What differs from the rows that should be there. */
export function compare(expected: SeenRows, found: SeenRows): { lost: number; extra: number } {
  let [lost, extra] = [0, 0]
  for (const [sink, rows] of expected) {
    const there = found.get(sink) ?? new Map<string, number>()
    for (const [line, count] of rows) lost += Math.max(0, count - (there.get(line) ?? 0))
    for (const [line, count] of there) extra += Math.max(0, count - (rows.get(line) ?? 0))
  }
  return { lost, extra }
}

function tally(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1)
  return counts
}

async function linesOf(step: SinkStep, { directory, emulators, scratches }: StandIn): Promise<string[]> {
  const scratch = scratches.get(step.id)
  if (scratch !== undefined) return await scratch.lines()
  if (step.connector === 'duckdb') {
    return await tableLines(path.join(directory, databaseOf(step.id)), String(step.options['table']))
  }
  const emulator = emulators.get(step.id)
  if (emulator !== undefined) {
    const rows = emulator.rows(String(step.options['database']), String(step.options['table']))
    return rows.map((row) =>
      JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    )
  }
  const root = path.join(directory, 'out', step.id)
  const files = await visibleFiles(step.connector, root)
  const parquet = files.filter((file) => file.endsWith('.parquet'))
  const texts = await Promise.all(files.filter((file) => !file.endsWith('.parquet')).map(textOf))
  const lines = texts.map((text) => text.split('\n').filter((line) => line !== ''))
  // How many files there are, and so how often columns are named, is no promise.
  return [...(await parquetLines(parquet)), ...lines.flatMap((of) => (hasHeader(step) ? of.slice(1) : of))]
}

function hasHeader({ connector, options }: SinkStep): boolean {
  if (connector !== 'files') return false
  const layout = layoutOf(filesSinkOptions.parse(options))
  return typeof layout === 'object' && layout.kind === 'csv' && layout.csv.header
}

/** The files in the directory of a sink that its readers see. */
export async function visibleFiles(connector: string, root: string): Promise<string[]> {
  if (!existsSync(root)) return []
  if (connector === 'hudi') {
    const { snapshot } = await viewHudiTable(await LocalFileStore.open(root))
    return snapshot.map((file) => path.join(root, file))
  }
  return globSync('**/*', { cwd: root, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && !path.relative(root, entry.parentPath).startsWith('.') && !/^[._]/.test(entry.name),
    )
    .map((entry) => path.join(entry.parentPath, entry.name))
}

async function textOf(file: string): Promise<string> {
  const bytes = await readFile(file)
  if (file.endsWith('.gz')) return gunzipSync(bytes).toString()
  return (file.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).toString()
}

async function tableLines(file: string, table: string): Promise<string[]> {
  if (!existsSync(file)) return []
  const instance = await DuckDBInstance.create(file, { access_mode: 'READ_ONLY', threads: '1' })
  const connection = await instance.connect()
  try {
    const sql = `SELECT to_json(r)::VARCHAR FROM "${table.replaceAll('"', '""')}" r`
    return (await connection.runAndReadAll(sql)).getRows().map(([line]) => String(line))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

async function parquetLines(files: readonly string[]): Promise<string[]> {
  if (files.length === 0) return []
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    const list = files.map((file) => `'${file.replaceAll("'", "''")}'`).join(', ')
    const sql = `SELECT to_json(r)::VARCHAR FROM (SELECT COLUMNS(c -> NOT starts_with(c, '_hoodie_'))
      FROM read_parquet([${list}], hive_partitioning = false, union_by_name = true)) r`
    return (await connection.runAndReadAll(sql)).getRows().map(([line]) => String(line))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
