import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteName, quoteText } from '../../src/dataplane/sql-text.ts'
import type { PipelineFacts } from './pipeline.ts'
import { QuickstartError } from './quickstart-error.ts'
import { readTable } from './read-table.ts'

export interface Digest {
  readonly rows: bigint
  /** The sum of a hash over all columns of each row: the order of the rows does not matter, how often each comes does. */
  readonly digest: string
}

export interface Comparison {
  readonly source: Digest
  readonly table: Digest
  readonly lost: bigint
  readonly duplicated: bigint
  readonly isEqual: boolean
  /** Files that the table's commits name and that are not there. */
  readonly missing: readonly string[]
}

/** Makes the view `expected`: what the pipeline's SQL makes of the original flights. Resolves to its number of rows. */
export async function openExpected(
  database: DuckDBConnection,
  original: string,
  { schema, sql }: PipelineFacts,
): Promise<number> {
  const columns = Object.entries(schema).map(
    ([name, type]) => `CAST(${quoteName(name)} AS ${type}) AS ${quoteName(name)}`,
  )
  await database.run(`CREATE OR REPLACE VIEW flights AS SELECT ${columns.join(', ')} FROM ${original}`)
  try {
    await database.run(`CREATE OR REPLACE VIEW expected AS ${sql}`)
  } catch (thrown) {
    throw new QuickstartError(`the pipeline's SQL: ${(thrown as Error).message}`, 'Mend it in flights.yaml.')
  }
  return Number(await oneValue(database, 'SELECT count(*) FROM expected'))
}

/** Makes the view `found` (the table's visible rows) and holds it against `expected`. */
export async function compare(database: DuckDBConnection, table: string): Promise<Comparison> {
  const { files, missing } = readTable(table)
  const types = await columnTypes(database, 'expected')
  await openFound(database, files, types)
  const columns = [...types].map(([name, type]) => comparable(name, type)).join(', ')
  const source = await digestOf(database, 'expected', columns)
  const found = await digestOf(database, 'found', columns)
  const isEqual = source.rows === found.rows && source.digest === found.digest && missing.length === 0
  const without = async (one: string, other: string): Promise<bigint> =>
    isEqual
      ? 0n
      : oneValue(
          database,
          `SELECT count(*) FROM (SELECT ${columns} FROM ${one} EXCEPT ALL SELECT ${columns} FROM ${other})`,
        )
  const lost = await without('expected', 'found')
  const duplicated = await without('found', 'expected')
  return { source, table: found, lost, duplicated, isEqual, missing }
}

async function openFound(
  database: DuckDBConnection,
  files: readonly string[],
  types: ReadonlyMap<string, string>,
): Promise<void> {
  if (files.length === 0) {
    await database.run('CREATE OR REPLACE VIEW found AS SELECT * FROM expected WHERE false')
    return
  }
  const names = [...types.keys()].map(quoteName).join(', ')
  const list = files.map(quoteText).join(', ')
  await database.run(
    `CREATE OR REPLACE VIEW found AS SELECT ${names} FROM read_parquet([${list}], hive_partitioning = false)`,
  )
  const stored = await columnTypes(database, 'found')
  for (const [name, type] of types) {
    if (plainType(stored.get(name) ?? '') === plainType(type)) continue
    throw new QuickstartError(
      `the column ${name} is ${type} in the pipeline and ${stored.get(name)} in the table`,
      'Give it a type that the table keeps, with CAST in flights.yaml.',
    )
  }
}

async function columnTypes(database: DuckDBConnection, view: string): Promise<ReadonlyMap<string, string>> {
  const described = await database.runAndReadAll(`DESCRIBE SELECT * FROM ${view}`)
  return new Map(described.getRows().map(([name, type]) => [String(name), String(type)]))
}

/** Hudi keeps moments, so a time of day without a zone comes back as one in UTC. */
function plainType(type: string): string {
  return type.replace(' WITH TIME ZONE', '')
}

function comparable(name: string, type: string): string {
  return type.startsWith('TIMESTAMP') ? `epoch_us(${quoteName(name)})` : quoteName(name)
}

async function digestOf(database: DuckDBConnection, view: string, columns: string): Promise<Digest> {
  const sql = `SELECT count(*), coalesce(sum(CAST(hash(${columns}) AS HUGEINT)), 0) FROM ${view}`
  const [rows, sum] = (await database.runAndReadAll(sql)).getRows()[0] ?? []
  return { rows: BigInt(String(rows)), digest: BigInt(String(sum)).toString(16).padStart(24, '0') }
}

async function oneValue(database: DuckDBConnection, sql: string): Promise<bigint> {
  return BigInt(String((await database.runAndReadAll(sql)).getRows()[0]?.[0]))
}
