/** A Postgres table: the initial read, and the changes of a replication slot. The server is on the same cores. */
import { startDatabase } from '../../services/databases.ts'
import { PostgresDatabase } from '../../../src/testkit/postgres-database.ts'
import { middleRun, type Measurement } from '../figures.ts'
import { measureStart, runPipeline, storeSink, type Pipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import type { TestBed } from '../test-bed.ts'

const CASE = 17
const SNAPSHOT_GOAL = 150_000
const CHANGES_GOAL = 80_000
const MEMORY_GOAL = 300e6
/** Rows of one transaction. */
const TRANSACTION = 10_000

const COLUMNS =
  'id bigint PRIMARY KEY, ts timestamp(3) NOT NULL, user_id bigint NOT NULL, event varchar(20) NOT NULL, ' +
  'page varchar(40) NOT NULL, amount numeric(12,2) NOT NULL, note varchar(80) NOT NULL'

export async function changesToStore(bed: TestBed, settings: Settings, report: Report): Promise<void> {
  await using server = await startDatabase('postgres')
  await using database = await PostgresDatabase.create(server.url)
  const measured = { bed, settings, report }
  for (const table of ['filled', 'nothing']) await database.sql(`CREATE TABLE ${table} (${COLUMNS})`)
  await database.sql('CREATE PUBLICATION bench FOR ALL TABLES')
  const rows = bed.rows
  const slots = settings.repeat * 2 + 1
  const tables = Array.from({ length: slots }, (_, turn) => `slot_${turn}`)
  // What a slot has to give again and again has to be there when it is made.
  for (const slot of tables) await database.sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
  for (let from = 0; from < rows; from += TRANSACTION) {
    await database.sql(insert('filled', from + 1, Math.min(rows, from + TRANSACTION)))
  }
  await database.sql('VACUUM ANALYZE filled')
  const address = { connector: 'postgres-cdc', ...database.options, url: `${database.options.url}?sslmode=disable` }
  const snapshot = (table: string) => (): Promise<Pipeline> => pipeline(bed, { ...address, table, end: 'snapshot' })
  await measure('Postgres rows → StarRocks', SNAPSHOT_GOAL, measured, snapshot('filled'), snapshot('nothing'))
  const changes = (table: string) => (): Promise<Pipeline> => {
    const slot = tables.pop() ?? ''
    return pipeline(bed, { ...address, table, slot, publication: 'bench', start: 'latest', end: 'latest' })
  }
  await measure('Postgres changes → StarRocks', CHANGES_GOAL, measured, changes('filled'), snapshot('nothing'))
}

async function pipeline(bed: TestBed, source: Record<string, unknown>): Promise<Pipeline> {
  const store = await bed.store('starrocks')
  const target = bed.freshName('t')
  const count = (): Promise<number> => store.control.count('bench', target)
  return { source, sink: storeSink(store, target), hasOwnSchema: true, count }
}

async function measure(
  name: string,
  goal: number,
  { bed, settings, report }: { readonly bed: TestBed; readonly settings: Settings; readonly report: Report },
  make: () => Promise<Pipeline>,
  makeEmpty: () => Promise<Pipeline>,
): Promise<void> {
  const start = await measureStart(bed, makeEmpty)
  const runs: Measurement[] = []
  for (let turn = 0; turn < settings.repeat; turn++) runs.push(await runPipeline(bed, await make(), bed.rows))
  const run = middleRun(runs)
  if (run === undefined) return
  report({ kind: 'throughput', case: CASE, name, run, start, limits: [], memoryGoal: MEMORY_GOAL })
  const seconds = run.wallSeconds - start.wallSeconds
  const detail = `the start taken off: ${Math.round(run.rows / seconds / 1000)} k rows/s, the server on the same cores`
  report({
    kind: 'figure',
    case: CASE,
    name: `${name}: seconds`,
    value: seconds,
    unit: 's',
    goal: run.rows / goal,
    detail,
  })
}

function insert(table: string, from: number, to: number): string {
  return (
    `INSERT INTO ${table} SELECT n, '2024-01-01'::timestamp + n * interval '1 millisecond', n % 100000, 'event ' || n % 10, ` +
    `'/page/' || n % 5000, (n % 100000) / 100.0 + 0.01, md5(n::text) FROM generate_series(${from}, ${to}) n`
  )
}
