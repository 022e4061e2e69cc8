/** Tables of Postgres and MariaDB, read slice by slice: passed through, and with the query. The server is on the same cores. */
import { startDatabase } from '../../services/databases.ts'
import { makeDatabase, type SliceDatabase } from '../../../src/testkit/slice-tables.ts'
import { middleRun, type Measurement } from '../figures.ts'
import { measureStart, runPipeline, storeSink, type Pipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import type { TestBed } from '../test-bed.ts'

const CASE = 16
const GOAL = 200_000
const MEMORY_GOAL = 300e6

const COLUMNS =
  'ts timestamp(3) NOT NULL, user_id bigint NOT NULL, event varchar(20) NOT NULL, page varchar(40) NOT NULL, ' +
  'amount decimal(12,2) NOT NULL, note varchar(80) NOT NULL'

const SERVERS = [
  { name: 'Postgres', database: 'postgres', connector: 'postgres', fill: fillPostgres },
  { name: 'MariaDB', database: 'mariadb', connector: 'mysql', fill: fillMariadb },
] as const

/** Rows per second are those of the whole run, the start taken off. */
export async function slicesToStore(bed: TestBed, settings: Settings, report: Report): Promise<void> {
  for (const { name, database, connector, fill } of SERVERS) {
    await using server = await startDatabase(database)
    await using tables = await makeDatabase(server.url)
    await fill(tables, 't', bed.rows)
    await fill(tables, 'nothing', 0)
    for (const hasQuery of [false, true]) {
      const title = `${name} slices → ${hasQuery ? 'SQL → ' : ''}StarRocks`
      const make = (table: string) => async (): Promise<Pipeline> => {
        const store = await bed.store('starrocks')
        const target = bed.freshName('t')
        const source = { connector, ...tables.address, table, column: 'id', end: 'latest' }
        const count = (): Promise<number> => store.control.count('bench', target)
        return { source, sink: storeSink(store, target), hasOwnSchema: true, hasQuery, count }
      }
      await measure(title, { bed, settings, report }, make('t'), make('nothing'))
    }
  }
}

async function measure(
  name: string,
  { bed, settings, report }: { readonly bed: TestBed; readonly settings: Settings; readonly report: Report },
  make: () => Promise<Pipeline>,
  makeEmpty: () => Promise<Pipeline>,
): Promise<void> {
  const start = await measureStart(bed, makeEmpty)
  const runs: Measurement[] = []
  for (let turn = 0; turn < settings.repeat; turn++) runs.push(await runPipeline(bed, await make(), bed.rows))
  const run = middleRun(runs)
  if (run === undefined) return
  report({ kind: 'throughput', case: CASE, name, run, start, limits: [], goal: GOAL, memoryGoal: MEMORY_GOAL })
  const seconds = run.wallSeconds - start.wallSeconds
  const detail = `the start taken off: ${Math.round(run.rows / seconds / 1000)} k rows/s, the server on the same cores`
  const most = run.rows / GOAL
  report({ kind: 'figure', case: CASE, name: `${name}: seconds`, value: seconds, unit: 's', goal: most, detail })
}

async function fillPostgres(tables: SliceDatabase, table: string, rows: number): Promise<void> {
  await tables.run(`CREATE TABLE ${table} (id bigserial PRIMARY KEY, ${COLUMNS})`)
  await tables.run(
    `INSERT INTO ${table} SELECT n, '2024-01-01'::timestamp + n * interval '1 millisecond', n % 100000, 'event ' || n % 10,
     '/page/' || n % 5000, (n % 100000) / 100.0 + 0.01, md5(n::text) FROM generate_series(1, ${rows}) n`,
  )
  await tables.run(`VACUUM ANALYZE ${table}`)
}

async function fillMariadb(tables: SliceDatabase, table: string, rows: number): Promise<void> {
  await tables.run(`CREATE TABLE ${table} (id bigint AUTO_INCREMENT PRIMARY KEY, ${COLUMNS})`)
  if (rows > 0) {
    await tables.run(
      `INSERT INTO ${table} SELECT seq, TIMESTAMP'2024-01-01 00:00:00' + INTERVAL seq * 1000 MICROSECOND, seq % 100000,
       concat('event ', seq % 10), concat('/page/', seq % 5000), (seq % 100000) / 100 + 0.01, md5(seq) FROM seq_1_to_${rows}`,
    )
  }
  await tables.run(`ANALYZE TABLE ${table}`)
}
