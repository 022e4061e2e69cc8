/** A MySQL table: the initial read, the changes of the binlog, and how soon they are seen. The server is on the same cores. */
import { startDatabase } from '../../services/databases.ts'
import { MysqlWorld } from '../../../src/testkit/mysql-cdc/mysql-world.ts'
import { measureFreshness } from '../freshness.ts'
import type { Report, Settings } from '../results.ts'
import { measureRate } from '../table-rates.ts'
import type { TestBed } from '../test-bed.ts'

const CASE = 18
const SNAPSHOT_GOAL = 150_000
const CHANGES_GOAL = 80_000
const FRESHNESS_SECONDS = 20
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
    const of = (table: string): object => ({ ...address, table: `${world.database}.${table}` })
    const empty = { ...of('nothing'), end: 'snapshot' }
    await measureRate(measured, {
      ...{ case: CASE, name: 'MySQL rows → StarRocks', goal: SNAPSHOT_GOAL },
      ...{ source: () => ({ ...of('filled'), end: 'snapshot' }), empty },
    })
    await measureRate(measured, {
      ...{ case: CASE, name: 'MySQL changes → StarRocks', goal: CHANGES_GOAL },
      ...{ source: () => ({ ...of('filled'), start: { gtid: gtid ?? '' }, end: 'latest' }), empty },
    })
    await measureFreshness(bed, report, {
      ...{ case: CASE, name: 'a change of MySQL in StarRocks', source: { ...of('nothing'), start: 'latest' } },
      ...{ rowsPerSecond: CHANGES_GOAL / 2, seconds: FRESHNESS_SECONDS },
      insert: (from, rows) => world.sql(insert('nothing', from, rows)),
    })
  } finally {
    await server.stop()
  }
}

function insert(table: string, from: number, rows: number): string {
  return (
    `INSERT INTO ${table} WITH RECURSIVE s (n) AS (SELECT ${from + 1} UNION ALL SELECT n + 1 FROM s WHERE n < ${from + rows}) ` +
    "SELECT n, '2024-01-01' + INTERVAL n * 1000 MICROSECOND, n % 100000, CONCAT('event ', n % 10), " +
    "CONCAT('/page/', n % 5000), (n % 100000) / 100 + 0.01, LEFT(SHA2(n, 256), 32) FROM s"
  )
}
