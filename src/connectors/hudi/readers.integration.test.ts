/** Tables of ours, read by hudi-rs: an implementation of Hudi that shares nothing with this one. */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import { readHudi } from '../../../scripts/services/hudi-readers.ts'
import type { FileStore } from '../../core/file-store.ts'
import type { Schema } from '../../core/schema.ts'
import { viewHudiTable } from '../../testkit/hudi-checker.ts'
import { openTemporaryStore } from '../../testkit/temporary-store.ts'
import { ParquetAppender, quoteName, quoteText } from '../../dataplane/index.ts'
import { type StoredSchema, storedSchema } from './avro-schema.ts'
import { commitInstant, requestInstant } from './commit.ts'
import type { WriteStat } from './commit-metadata.ts'
import type { PreparedCommit } from './prepared-commit.ts'
import { dataFileName, formatDataFileName } from './file-name.ts'
import type { Instant } from './instant.ts'
import { createMarker } from './markers.ts'
import { metaColumns, recordKeySql, RowNames } from './meta-columns.ts'
import { ensurePartition, joinPath, partitionPath } from './partition.ts'
import { rollback } from './rollback.ts'
import { createTable, type HudiTable } from './table.ts'
import { loadTimeline } from './timeline.ts'

const SCHEMA: Schema = [
  { name: 'id', type: 'bigint', nullable: false },
  { name: 'note', type: 'varchar', nullable: true },
  { name: 'amount', type: 'decimal(15,2)', nullable: true },
  { name: 'small', type: 'smallint', nullable: true },
  { name: 'ratio', type: 'double', nullable: true },
  { name: 'flag', type: 'boolean', nullable: true },
  { name: 'd', type: 'date', nullable: true },
  { name: 'ts', type: 'timestamp(3)', nullable: true },
  { name: 'at', type: 'time', nullable: true },
  { name: 'dt', type: 'varchar', nullable: true },
]

/** The rows `from` up to `to`, in three partitions; one of them has no name. */
function rowsSql(from: number, to: number): string {
  return `SELECT i::BIGINT AS id, CASE WHEN i % 5 = 0 THEN NULL ELSE 'note ' || i END AS note,
    (i * 1.25)::DECIMAL(15,2) AS amount, (i % 100)::SMALLINT AS small, (i * 0.5)::DOUBLE AS ratio, i % 2 = 1 AS flag,
    DATE '2026-11-19' + (i % 3)::INTEGER AS d, TIMESTAMP '2026-11-21 10:00:00.123' AS ts, TIME '10:20:30' AS "at",
    CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN 'a/b:c d' ELSE '2026-11-21' END AS dt FROM range(${from}, ${to}) AS r(i)`
}

const SHAPES: readonly { readonly name: string; readonly shape: Partial<HudiTable> }[] = [
  { name: 'without partitions', shape: {} },
  { name: 'with hive partitions', shape: { partitionFields: ['dt'] } },
  { name: 'with plain partitions', shape: { partitionFields: ['dt'], hiveStyle: false } },
  { name: 'with a record key', shape: { partitionFields: ['dt'], recordKeyFields: ['id'] } },
]

for (const { name, shape } of SHAPES) {
  test(`hudi-rs reads the committed rows of a table ${name}, and no others`, async () => {
    await using lake = await openLake(shape)
    const first = await lake.write(1, 0, 100)
    await lake.commit(first)
    const second = await lake.write(2, 100, 250)
    await lake.commit(second)
    const dropped = await lake.write(3, 250, 300)
    const deleted = await rollback(lake.store, { ...dropped, nowMs: Date.now() })
    assert.deepEqual(deleted, dropped.stats.map(({ path }) => path).toSorted())
    await lake.commit(await lake.write(4, 300, 310))
    await lake.write(5, 310, 400)

    const view = await viewHudiTable(lake.store)
    assert.deepEqual(view.problems, [])
    assert.equal(view.rows, 260)
    for (const release of readerReleases()) {
      const read = await readHudi(lake.path, { release, key: '_hoodie_commit_seqno', sum: 'amount' })
      assert.equal(read.rows, 260, release)
      assert.equal(read.distinctKeys, 260, release)
      assert.equal(read.sum, ((31125 + 3045) * 1.25).toFixed(2), release)
      assert.equal(read.schema?.['amount'], 'decimal128(38, 2)')
      assert.equal(read.schema?.['small'], 'int32')
      assert.match(read.schema?.['ts'] ?? '', /^timestamp\[us, tz=.*UTC|^timestamp\[us, tz=\+00:00/)
    }
    const keys = await readHudi(lake.path, { key: '_hoodie_record_key' })
    assert.equal(keys.distinctKeys, 260)
    const tail = await readHudi(lake.path, { since: first.instant })
    assert.equal(tail.rows, 160)
  })
}

test('values arrive as they were written', async () => {
  await using lake = await openLake({ partitionFields: ['dt'] })
  await lake.commit(await lake.write(1, 1, 4))
  const columns = ['id', 'note', 'amount', 'ts', 'at', 'dt', '_hoodie_partition_path']
  const read = (await readHudi(lake.path, { columns })).columns ?? {}
  const order = (read['id'] ?? []).map((id, at) => ({ id: Number(id), at })).toSorted((a, b) => a.id - b.id)
  const sorted = (column: string): unknown[] => order.map(({ at }) => read[column]?.[at])
  assert.deepEqual(sorted('id'), ['1', '2', '3'])
  assert.deepEqual(sorted('note'), ['note 1', 'note 2', 'note 3'])
  assert.deepEqual(sorted('amount'), ['1.25', '2.50', '3.75'])
  assert.deepEqual(sorted('at'), ['10:20:30', '10:20:30', '10:20:30'])
  assert.deepEqual(sorted('dt'), ['a/b:c d', '2026-11-21', null])
  assert.deepEqual(sorted('_hoodie_partition_path'), [
    'dt=a%2Fb%3Ac d',
    'dt=2026-11-21',
    'dt=__HIVE_DEFAULT_PARTITION__',
  ])
  for (const ts of sorted('ts')) assert.match(String(ts), /^2026-11-21 10:00:00\.123000\+00:00$/)
})

function readerReleases(): readonly ('0.5.0' | '0.4.0')[] {
  return process.env['MILLRACE_FULL'] === undefined ? ['0.5.0'] : ['0.5.0', '0.4.0']
}

interface Lake extends AsyncDisposable {
  readonly path: string
  readonly store: FileStore
  write(checkpoint: number, from: number, to: number): Promise<PreparedCommit>
  commit(prepared: PreparedCommit): Promise<void>
}

async function openLake(shape: Partial<HudiTable>): Promise<Lake> {
  const temporary = await openTemporaryStore({ tempPrefix: '.hoodie/.millrace-tmp/' })
  const { path, store } = temporary
  const duck = await (await DuckDBInstance.create(':memory:')).connect()
  const plain = {
    name: 'lake',
    database: '',
    partitionFields: [],
    recordKeyFields: [],
    hiveStyle: true,
    urlEncode: true,
  }
  const table: HudiTable = { ...plain, ...shape }
  const stored = storedSchema(table.name, SCHEMA)
  assert.ok('avro' in stored)
  assert.equal(await createTable(store, table, stored.avro), 'created')
  return {
    path,
    store,
    write: async (checkpoint, from, to) => {
      const instant = (await loadTimeline(store)).next(Date.now())
      const owner = { job: 'job', sink: 'lake', epoch: 1, checkpoint }
      assert.equal(await requestInstant(store, instant, owner), 'ours')
      await duck.run(`CREATE OR REPLACE TEMP TABLE source AS ${rowsSql(from, to)}`)
      const writing = { store, table, stored, duck, instant, path }
      const stats: WriteStat[] = []
      for (const [at, value] of (await partitionValues(duck, table)).entries()) {
        const name = dataFileName({ table: table.name, owner, instant, lane: 0, lanes: 1, sequence: at })
        stats.push(await writeFile(writing, value, { fileId: name.fileId, fileName: formatDataFileName(name), at }))
      }
      return { instant, owner, stats, avroSchema: stored.avro }
    },
    commit: async (prepared) => {
      assert.deepEqual(await commitInstant(store, prepared), { result: 'committed' })
      assert.deepEqual(await commitInstant(store, prepared), { result: 'already-committed' })
    },
    [Symbol.asyncDispose]: async () => {
      duck.closeSync()
      await temporary[Symbol.asyncDispose]()
    },
  }
}

interface Writing {
  readonly store: FileStore
  readonly table: HudiTable
  readonly stored: StoredSchema
  readonly duck: DuckDBConnection
  readonly instant: Instant
  readonly path: string
}

async function partitionValues(duck: DuckDBConnection, table: HudiTable): Promise<readonly (string | null)[]> {
  if (table.partitionFields.length === 0) return [null]
  const rows = (await duck.runAndReadAll('SELECT DISTINCT dt FROM source ORDER BY ALL')).getRowsJson()
  return rows.map(([value]) => (value === null ? null : String(value)))
}

async function writeFile(
  { store, table, stored, duck, instant, path }: Writing,
  value: string | null,
  { fileId, fileName, at }: { readonly fileId: string; readonly fileName: string; readonly at: number },
): Promise<WriteStat> {
  const partition = partitionPath(table, [value])
  const filePath = joinPath(partition, fileName)
  await ensurePartition(store, table, partition, instant)
  await createMarker(store, instant, filePath)
  const { recordKeyFields } = table
  const isKeyed = recordKeyFields.length > 0
  const names = new RowNames(`${instant}_0_${at}_`)
  const appender = new ParquetAppender(metaColumns({ instant, fileName, partitionPath: partition, names, isKeyed }))
  const staged = join(path, '.hoodie/.staged.parquet')
  await mkdir(join(path, '.hoodie'), { recursive: true })
  const text = value === null ? 'NULL' : quoteText(value)
  const conditions = table.partitionFields.length === 0 ? [] : [`dt IS NOT DISTINCT FROM ${text}`]
  const columns = stored.columns.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`)
  if (isKeyed) columns.unshift(recordKeySql(recordKeyFields))
  const writer = await store.openWriter(filePath)
  for (const half of ['id % 2 = 0', 'id % 2 = 1']) {
    const select = `SELECT ${columns.join(', ')} FROM source WHERE ${[...conditions, half].join(' AND ')}`
    await duck.run(`COPY (${select}) TO ${quoteText(staged)} (FORMAT parquet)`)
    for (const part of appender.append(await readFile(staged))) await writer.write(part)
  }
  await writer.write(appender.finish())
  const { rows } = appender
  const { size } = await writer.finish()
  await rm(staged)
  return { fileId, path: filePath, partitionPath: partition, rows, bytes: size }
}
