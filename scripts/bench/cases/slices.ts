/** Tables of Postgres and MariaDB, read slice by slice: passed through, and with the query. The server is on the same cores. */
import { startDatabase } from '../../services/databases.ts'
import { makeDatabase, type SliceDatabase } from '../../../src/testkit/slice-tables.ts'
import type { Report, Settings } from '../results.ts'
import { measureRate } from '../table-rates.ts'
import type { TestBed } from '../test-bed.ts'

const CASE = 16
const GOAL = 200_000

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
      const of = (table: string): object => ({ connector, ...tables.address, table, column: 'id', end: 'latest' })
      await measureRate(
        { bed, settings, report },
        {
          ...{
            case: CASE,
            name: `${name} slices → ${hasQuery ? 'SQL → ' : ''}StarRocks`,
            goal: GOAL,
            processorGoal: GOAL,
          },
          ...{ source: () => ({ ...of('t') }), empty: { ...of('nothing') }, hasQuery },
        },
      )
    }
  }
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
