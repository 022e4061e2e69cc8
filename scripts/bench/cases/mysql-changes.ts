/** A MySQL table: the initial read, and the changes of the binlog. The server is on the same cores. */
import { startDatabase } from '../../services/databases.ts'
import { MysqlWorld } from '../../../src/testkit/mysql-cdc/mysql-world.ts'
import { middleRun, type Measurement } from '../figures.ts'
import { measureStart, runPipeline, storeSink, type Pipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import type { TestBed } from '../test-bed.ts'

const CASE = 18
const SNAPSHOT_GOAL = 150_000
const CHANGES_GOAL = 80_000
const MEMORY_GOAL = 300e6
/** Rows of one transaction. */
const TRANSACTION = 10_000

const COLUMNS =
  'id bigint PRIMARY KEY, ts datetime(3) NOT NULL, user_id bigint NOT NULL, event varchar(20) NOT NULL, ' +
  'page varchar(40) NOT NULL, amount decimal(12,2) NOT NULL, note varchar(80) NOT NULL'

export async function mysqlToStore(bed: TestBed, settings: Settings, report: Report): Promise<void> {
  const server = await startDatabase('mysql')
  try {
    await using world = await MysqlWorld.create(server.url)
    const measured = { bed, settings, report }
    for (const table of ['filled', 'nothing']) await world.sql(`CREATE TABLE ${table} (${COLUMNS})`)
    const [[gtid] = []] = await world.connection.query('SELECT @@global.gtid_executed')
    await world.sql(`SET cte_max_recursion_depth = ${TRANSACTION}`)
    for (let from = 0; from < bed.rows; from += TRANSACTION) {
      await world.sql(insert('filled', from, Math.min(TRANSACTION, bed.rows - from)))
    }
    await world.sql('ANALYZE TABLE filled')
    const { username, password, protocol, host } = new URL(server.url)
    const address = { connector: 'mysql-cdc', url: `${protocol}//${host}`, username, password }
    const of = (table: string): string => `${world.database}.${table}`
    const rows = (table: string) => (): Promise<Pipeline> =>
      pipeline(bed, { ...address, table: of(table), end: 'snapshot' })
    await measure('MySQL rows → StarRocks', SNAPSHOT_GOAL, measured, rows('filled'), rows('nothing'))
    const changes = (): Promise<Pipeline> =>
      pipeline(bed, { ...address, table: of('filled'), start: { gtid: gtid ?? '' }, end: 'latest' })
    await measure('MySQL changes → StarRocks', CHANGES_GOAL, measured, changes, rows('nothing'))
  } finally {
    await server.stop()
  }
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
  const wanted = run.rows / goal
  report({ kind: 'figure', case: CASE, name: `${name}: seconds`, value: seconds, unit: 's', goal: wanted, detail })
}

function insert(table: string, from: number, rows: number): string {
  return (
    `INSERT INTO ${table} WITH RECURSIVE s (n) AS (SELECT ${from + 1} UNION ALL SELECT n + 1 FROM s WHERE n < ${from + rows}) ` +
    "SELECT n, '2024-01-01' + INTERVAL n * 1000 MICROSECOND, n % 100000, CONCAT('event ', n % 10), " +
    "CONCAT('/page/', n % 5000), (n % 100000) / 100 + 0.01, LEFT(SHA2(n, 256), 32) FROM s"
  )
}
