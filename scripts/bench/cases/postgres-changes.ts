/** A Postgres table: the initial read, and the changes of a replication slot. The server is on the same cores. */
import { startDatabase } from '../../services/databases.ts'
import { PostgresDatabase } from '../../../src/testkit/postgres-database.ts'
import type { Report, Settings } from '../results.ts'
import { measureRate } from '../table-rates.ts'
import type { TestBed } from '../test-bed.ts'

const CASE = 17
const SNAPSHOT_GOAL = 150_000
const CHANGES_GOAL = 80_000
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
  // What a slot has to give has to come after it is made, and it gives it once.
  const slots = Array.from({ length: settings.repeat }, (_, turn) => `slot_${turn}`)
  for (const slot of slots) await database.sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
  for (let from = 0; from < rows; from += TRANSACTION) {
    await database.sql(insert('filled', from + 1, Math.min(rows, from + TRANSACTION)))
  }
  await database.sql('VACUUM ANALYZE filled')
  const address = { connector: 'postgres-cdc', ...database.options, url: `${database.options.url}?sslmode=disable` }
  const empty = { ...address, table: 'nothing', end: 'snapshot' }
  await measureRate(measured, {
    ...{ case: CASE, name: 'Postgres rows → StarRocks', goal: SNAPSHOT_GOAL },
    ...{ source: () => ({ ...address, table: 'filled', end: 'snapshot' }), empty },
  })
  const behind = { publication: 'bench', start: 'latest', end: 'latest' }
  await measureRate(measured, {
    ...{ case: CASE, name: 'Postgres changes → StarRocks', goal: CHANGES_GOAL },
    ...{ source: () => ({ ...address, table: 'filled', slot: slots.pop(), ...behind }), empty },
  })
}

function insert(table: string, from: number, to: number): string {
  return (
    `INSERT INTO ${table} SELECT n, '2024-01-01'::timestamp + n * interval '1 millisecond', n % 100000, 'event ' || n % 10, ` +
    `'/page/' || n % 5000, (n % 100000) / 100.0 + 0.01, md5(n::text) FROM generate_series(${from}, ${to}) n`
  )
}
