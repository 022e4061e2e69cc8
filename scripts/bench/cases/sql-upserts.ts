/** Rows by key into MariaDB and PostgreSQL: our writer against what one would write by hand, in turns on one server. */
import { mysqlSink } from '../../../src/connectors/mysql/sink.ts'
import { postgresSink } from '../../../src/connectors/postgres/sink.ts'
import type { Batch } from '../../../src/core/batch.ts'
import type { MeterTimer } from '../../../src/core/context.ts'
import { testCoordinatorContext, testLaneContext } from '../../../src/testkit/lane-context.ts'
import { anySqlSink, LaneTables, makeSqlSink, openSqlTarget, type SqlTarget } from '../../../src/testkit/sql-target.ts'
import { startDatabase } from '../../services/databases.ts'
import { median } from '../figures.ts'
import type { Report, Settings } from '../results.ts'
import { bulkUpsert, orderedUpsert, type BenchRow } from '../sql-clients.ts'
import type { TestBed } from '../test-bed.ts'

const CASE = 14
const ROWS_MAX = 200_000
/** Row by row is so slow that a part has to do. */
const ORDERED_SHARE = 10
const BATCH_ROWS = 16_384
/** At least 90 % of the bulk client's rate, and three times that of row by row. */
const GOAL_BULK_PERCENT = 111
const GOAL_ORDERED_PERCENT = 33

const KEYS = { random: '(range * 7919) % 1000003', hot: '(range * 7919) % 1009' } as const
const COLUMNS =
  "TIMESTAMP '2026-01-01' + to_milliseconds(range % 86400000) AS ts, 'name ' || range AS name, " +
  'CAST(range % 100000 AS DECIMAL(18,4)) / 100 AS amount, CAST(range % 1000 AS INTEGER) AS n, ' +
  "'some text of about fifty-five bytes in this column ' || range % 1000 AS note"
const DDL =
  'CREATE TABLE upserts (id BIGINT PRIMARY KEY, ts TIMESTAMP(6), name VARCHAR(40), amount DECIMAL(18,4), n INT, note VARCHAR(80))'

export async function upsertIntoServers(bed: TestBed, { repeat }: Settings, report: Report): Promise<void> {
  const count = Math.min(bed.rows, ROWS_MAX)
  for (const name of ['mariadb', 'postgres'] as const) {
    await using server = await startDatabase(name)
    for (const keys of ['random', 'hot'] as const) {
      await using target = await openSqlTarget(server.url)
      await target.query(name === 'mariadb' ? DDL.replace('TIMESTAMP(6)', 'DATETIME(6)') : DDL)
      await compare(target, { name, keys, count, repeat }, report)
    }
  }
}

interface Comparison {
  readonly name: 'mariadb' | 'postgres'
  readonly keys: keyof typeof KEYS
  readonly count: number
  readonly repeat: number
}

async function compare(target: SqlTarget, { name, keys, count, repeat }: Comparison, report: Report): Promise<void> {
  await using tables = await LaneTables.open()
  const select = (from: number, to: number): string =>
    `SELECT CAST(${KEYS[keys]} AS BIGINT) AS id, ${COLUMNS} FROM range(${from}, ${to})`
  const rows = (await tables.database.run(
    `SELECT ${['id', 'ts', 'name', 'amount', 'n', 'note'].map((column) => `CAST(${column} AS VARCHAR)`).join(', ')} FROM (${select(0, count)})`,
  )) as unknown as BenchRow[]
  const batches = async (): Promise<Batch[]> => {
    const made: Batch[] = []
    for (let at = 0; at < count; at += BATCH_ROWS)
      made.push(await tables.batch(select(at, Math.min(count, at + BATCH_ROWS))))
    return made
  }
  const url = target.url.replace('://', `://${target.username}:${target.password}@`)
  const ordered = rows.slice(0, count / ORDERED_SHARE)
  const pages: number[] = []
  const times = { ours: [] as number[], bulk: [] as number[], ordered: [] as number[] }
  // From here on every row is an update, whoever comes first.
  await bulkUpsert(url, rows)
  for (let turn = 0; turn < repeat; turn++) {
    const prepared = await batches()
    const ours = await openWriter(target, tables, { name, epoch: turn + 1, pages, select: select(0, 1) })
    // Connections are opened, and its slots claimed.
    await ours.write([await tables.batch(select(0, BATCH_ROWS))], 2 * turn + 1)
    pages.length = turn === 0 ? 0 : pages.length
    const runs = [
      async () => times.ours.push(await secondsOf(() => ours.write(prepared, 2 * turn + 2))),
      async () => times.bulk.push(await secondsOf(() => bulkUpsert(url, rows))),
    ]
    for (const run of turn % 2 === 0 ? runs : runs.toReversed()) await run()
    await ours.close()
    times.ordered.push((await secondsOf(() => orderedUpsert(url, ordered))) * ORDERED_SHARE)
  }
  const rate = (seconds: number): string => `${Math.round(count / seconds / 1000)} k rows/s`
  const against = (other: readonly number[]): number =>
    100 * median(times.ours.map((own, turn) => own / (other[turn] ?? Number.NaN)))
  const what = `upserts, ${name}, ${keys} keys`
  report({
    ...{ kind: 'figure', case: CASE, unit: '%', name: `${what}: time against a bulk client by hand` },
    value: against(times.bulk),
    goal: GOAL_BULK_PERCENT,
    detail: `${count} rows, ${repeat} turns; medians ${rate(median(times.ours))} and ${rate(median(times.bulk))}`,
  })
  report({
    ...{ kind: 'figure', case: CASE, unit: '%', name: `${what}: time against row by row in order` },
    value: against(times.ordered),
    goal: GOAL_ORDERED_PERCENT,
    detail: `medians ${rate(median(times.ours))} and ${rate(median(times.ordered))}`,
  })
  const sorted = pages.toSorted((one, other) => one - other)
  report({
    ...{ kind: 'figure', case: CASE, unit: 's', name: `${what}: 99.9 % of pages are flushed in` },
    value: sorted[Math.floor(sorted.length * 0.999)] ?? Number.NaN,
    detail: `${sorted.length} pages, the middle one in ${(1000 * median(sorted)).toFixed(1)} ms`,
  })
}

interface OpenedWriter {
  write(batches: readonly Batch[], checkpoint: number): Promise<void>
  close(): Promise<void>
}

/** The sink of the connector with one lane, from tables to what the server has committed. */
async function openWriter(
  target: SqlTarget,
  tables: LaneTables,
  { name, epoch, pages, select }: { name: Comparison['name']; epoch: number; pages: number[]; select: string },
): Promise<OpenedWriter> {
  const connector = name === 'mariadb' ? anySqlSink(mysqlSink) : anySqlSink(postgresSink)
  const sink = await makeSqlSink(connector, target, { table: 'upserts', key: ['id'] })
  const schema = await tables.schema(select)
  const coordinator = sink.coordinator(testCoordinatorContext({ schema, job: 'bench' }))
  const observe = (timer: MeterTimer, seconds: number): void => {
    if (timer === 'load_seconds') pages.push(seconds)
  }
  const format = { kind: 'table' } as const
  const meter = { count() {}, observe }
  const writer = sink.writer(
    testLaneContext({ schema, job: 'bench', format, meter, database: async () => tables.database }),
  )
  writer.begin(1, await coordinator.begin(1, epoch))
  return {
    write: async (batches, checkpoint) => {
      for (const batch of batches) await writer.write(batch)
      await writer.cut({ checkpoint: checkpoint + 1, ticket: await coordinator.begin(checkpoint + 1, epoch) })
    },
    close: async () => {
      await writer.close()
      await coordinator.close()
    },
  }
}

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}
