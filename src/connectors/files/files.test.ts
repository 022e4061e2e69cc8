import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { Batch } from '../../core/batch.ts'
import type { CommitPermit } from '../../core/checkpoint-types.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Schema } from '../../core/schema.ts'
import type { SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/index.ts'
import { bytesBatch, testBatch } from '../../testkit/bytes-batch.ts'
import { realClock, silentLog, testLaneContext, testSourceContext } from '../../testkit/lane-context.ts'
import { connector } from './index.ts'
import { filesSinkOptions } from './options.ts'
import { FilesSink } from './sink.ts'

/** Only the checkpoint log makes real ones; these sinks never look inside. */
const permit = { checkpoint: 1, epoch: 1 } as CommitPermit
const SCHEMA: Schema = [
  { name: 'id', type: 'bigint', nullable: true },
  { name: 'text', type: 'varchar', nullable: true },
]
const ticket = (checkpoint: number, epoch = 1) => ({ checkpoint, ticket: { epoch, checkpoint } })

const byText = (left: string, right: string): number => (left < right ? -1 : 1)

class Target implements AsyncDisposable {
  readonly root: string
  readonly database: LaneDatabase

  private constructor(root: string, database: LaneDatabase) {
    this.root = root
    this.database = database
  }

  static async make(): Promise<Target> {
    const root = await mkdtemp(join(tmpdir(), 'millrace-files-'))
    const readablePaths = [`${root}/`]
    return new Target(root, await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20, readablePaths }))
  }

  sink(options: Record<string, unknown>): FilesSink {
    return new FilesSink(filesSinkOptions.parse({ path: 'out', format: 'json', ...options }))
  }

  writer(options: Record<string, unknown> = {}): SinkWriter {
    const database = async (): Promise<LaneDatabase> => this.database
    return this.sink(options).writer(
      testLaneContext({ job: 'a job/1', id: 'lake', baseDirectory: this.root, schema: SCHEMA, database }),
    )
  }

  coordinator(options: Record<string, unknown> = {}): SinkCoordinator {
    const times = { intervalMs: 1, timeoutMs: 1, maxDowntimeMs: 1, retained: 3 }
    const engine = { log: silentLog, clock: realClock, times, schema: SCHEMA, lanes: 1, delivery: 'two-phase' as const }
    const openStore = async (): Promise<never> => assert.fail('files need no store')
    const names = { job: 'a job/1', id: 'lake', baseDirectory: this.root }
    return this.sink(options).coordinator({ ...engine, ...names, openStore })
  }

  /** Writes one checkpoint and hands over its committables. */
  async stage(
    batches: readonly Batch[],
    options: Record<string, unknown> = {},
    id = 1,
    epoch = 1,
  ): Promise<JsonObject[]> {
    const writer = this.writer(options)
    writer.begin(id, ticket(id, epoch).ticket)
    for (const batch of batches) await writer.write(batch)
    const { committables } = await writer.cut(ticket(id + 1, epoch))
    await writer.close()
    return committables.map((committable) => JSON.parse(JSON.stringify(committable)) as JsonObject)
  }

  /** Names that readers see. */
  async visible(): Promise<string[]> {
    const names = await readdir(join(this.root, 'out')).catch(() => [])
    return names.filter((name) => !name.startsWith('.')).toSorted(byText)
  }

  async staged(): Promise<string[]> {
    return (await readdir(join(this.root, 'out/.millrace/a%20job%2F1/lake')).catch(() => [])).toSorted(byText)
  }

  read(name: string): Promise<Buffer> {
    return readFile(join(this.root, 'out', name))
  }

  async table(rows: readonly (readonly [bigint | null, string | null])[]): Promise<Batch> {
    const relation = `given ${Math.random()}`
    const values = rows.map(([id, text]) => `(${id}, ${text === null ? 'NULL' : `'${text.replaceAll("'", "''")}'`})`)
    await this.database.run(
      `CREATE TEMP TABLE "${relation}" AS SELECT * FROM (VALUES ${values.join(', ')}) v(id, text)`,
    )
    await this.database.run(`ALTER TABLE "${relation}" ALTER id TYPE BIGINT`)
    return testBatch(rows.length, { kind: 'table', relation, schema: SCHEMA })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.close()
    await rm(this.root, { recursive: true, force: true })
  }
}

test('rows are visible after the commit, whole and once, and committing again changes nothing', async () => {
  await using target = await Target.make()
  const batch = bytesBatch(['{"id":1}', '{"id":2}'])
  const [committable, ...others] = await target.stage([batch, bytesBatch(['{"id":3}'])])
  assert.ok(committable !== undefined && others.length === 0)
  assert.equal(batch.releases, 1)
  assert.deepEqual(await target.visible(), [])
  const coordinator = target.coordinator()
  assert.deepEqual(await coordinator.evidence([committable]), [{ state: 'committable' }])
  assert.deepEqual(await coordinator.commit(permit, committable), { outcome: 'committed' })
  assert.deepEqual(await coordinator.commit(permit, committable), { outcome: 'already-committed' })
  assert.deepEqual(await coordinator.evidence([committable]), [{ state: 'committed' }])
  assert.deepEqual(await target.visible(), ['part-e1-c1-l0-0.ndjson'])
  assert.equal(String(await target.read('part-e1-c1-l0-0.ndjson')), '{"id":1}\n{"id":2}\n{"id":3}\n')
  assert.equal(await coordinator.abort(committable), 'committed')
})

test('what is written after the cut belongs to the next checkpoint, even while the cut is being finished', async () => {
  await using target = await Target.make()
  const writer = target.writer()
  writer.begin(1, ticket(1).ticket)
  await writer.write(bytesBatch(['{"id":1}']))
  const cut = writer.cut(ticket(2))
  await writer.write(bytesBatch(['{"id":2}']))
  const [first, second] = [await cut, await writer.cut(ticket(3))]
  assert.deepEqual(first.counts, { rows: 1, bytes: 9 })
  assert.deepEqual((await writer.cut(ticket(4))).committables, [])
  for (const { committables } of [first, second]) {
    for (const one of committables) await target.coordinator().commit(permit, one)
  }
  assert.equal(String(await target.read('part-e1-c1-l0-0.ndjson')), '{"id":1}\n')
  assert.equal(String(await target.read('part-e1-c2-l0-0.ndjson')), '{"id":2}\n')
  await writer.close()
})

test('a file that both were there and are gone is not called committed', async () => {
  await using target = await Target.make()
  const [committable] = await target.stage([bytesBatch(['{"id":1}'])])
  assert.ok(committable !== undefined)
  const coordinator = target.coordinator()
  await coordinator.commit(permit, committable)
  await rm(join(target.root, 'out/part-e1-c1-l0-0.ndjson'))
  assert.equal((await coordinator.commit(permit, committable)).outcome, 'unknown')
  assert.equal((await coordinator.evidence([committable]))[0]?.state, 'unknown')
})

test('a foreign file under the final name is neither replaced nor taken for ours', async () => {
  await using target = await Target.make()
  const [committable] = await target.stage([bytesBatch(['{"id":1}'])])
  assert.ok(committable !== undefined)
  await writeFile(join(target.root, 'out/part-e1-c1-l0-0.ndjson'), 'somebody')
  assert.equal((await target.coordinator().commit(permit, committable)).outcome, 'unknown')
  assert.equal(String(await target.read('part-e1-c1-l0-0.ndjson')), 'somebody')
})

test('a sweep removes what older epochs left and keeps what manifests keep', async () => {
  await using target = await Target.make()
  const [kept] = await target.stage([bytesBatch(['{"id":1}'])], {}, 1, 1)
  await target.stage([bytesBatch(['{"id":2}'])], {}, 2, 1)
  await target.stage([bytesBatch(['{"id":3}'])], {}, 2, 2)
  await target.stage([bytesBatch(['{"id":4}'])], {}, 2, 3)
  assert.ok(kept !== undefined)
  const report = await target.coordinator().sweep({ below: 3, runs: [], keep: [kept] })
  assert.deepEqual(report.aborted.toSorted(), ['part-e1-c2-l0-0.ndjson', 'part-e2-c2-l0-0.ndjson'])
  assert.deepEqual(await target.staged(), ['part-e1-c1-l0-0.ndjson', 'part-e3-c2-l0-0.ndjson'])
  assert.deepEqual(await target.coordinator().commit(permit, kept), { outcome: 'committed' })
})

test('a rollback removes what is open and fails the cuts that are not finished', async () => {
  await using target = await Target.make()
  const writer = target.writer({ format: 'parquet' })
  writer.begin(1, ticket(1).ticket)
  await writer.write(await target.table([[1n, 'a']]))
  const cut = writer.cut(ticket(2))
  const rejected = assert.rejects(cut, (thrown) => thrown instanceof MillraceError && thrown.retry === 'restart')
  await writer.rollback()
  await rejected
  assert.deepEqual(await target.staged(), [])
  writer.begin(1, ticket(1, 2).ticket)
  await writer.write(await target.table([[1n, 'a']]))
  assert.equal((await writer.cut(ticket(2, 2))).committables.length, 1)
  await writer.close()
  const left = await target.database.run(`SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'gathered%'`)
  assert.deepEqual(left, [])
})

test('a large checkpoint becomes several files', async () => {
  await using target = await Target.make()
  const batches = [1, 2, 3].map((id) => bytesBatch([`{"id":${id},"text":"${'x'.repeat(1500)}"}`]))
  const committables = await target.stage(batches, { rollBytes: '2KiB' })
  for (const committable of committables) await target.coordinator().commit(permit, committable)
  assert.deepEqual(await target.visible(), ['part-e1-c1-l0-0.ndjson', 'part-e1-c1-l0-1.ndjson'])
  const text = Buffer.concat([
    await target.read('part-e1-c1-l0-0.ndjson'),
    await target.read('part-e1-c1-l0-1.ndjson'),
  ]).toString()
  assert.deepEqual(
    text
      .trim()
      .split('\n')
      .map((line) => line.slice(0, 7)),
    ['{"id":1', '{"id":2', '{"id":3'],
  )
})

for (const [compression, decompress, extension] of [
  ['gzip', gunzipSync, 'gz'],
  ['zstd', zstdDecompressSync, 'zst'],
] as const) {
  test(`${compression} files hold all frames`, async () => {
    await using target = await Target.make()
    const batches = Array.from({ length: 5 }, (_, id) => bytesBatch([`{"id":${id},"text":"${'x'.repeat(400_000)}"}`]))
    const expected = batches.map(({ body }) => (body.kind === 'bytes' ? String(body.buffer) : '')).join('')
    const [committable] = await target.stage(batches, { compression })
    assert.ok(committable !== undefined)
    await target.coordinator().commit(permit, committable)
    assert.equal(String(decompress(await target.read(`part-e1-c1-l0-0.ndjson.${extension}`))), expected)
  })
}

test('Parquet files hold the rows of all batches', async () => {
  await using target = await Target.make()
  const batches = [
    await target.table([
      [1n, 'a'],
      [null, "b'"],
    ]),
    await target.table([[2n ** 62n, null]]),
  ]
  const [committable] = await target.stage(batches, { format: 'parquet', compression: 'zstd' })
  assert.ok(committable !== undefined)
  await target.coordinator().commit(permit, committable)
  const path = join(target.root, 'out/part-e1-c1-l0-0.parquet')
  assert.deepEqual(await target.database.run(`SELECT * FROM read_parquet('${path}')`), [
    [1n, 'a'],
    [null, "b'"],
    [2n ** 62n, null],
  ])
})

test('CSV files tell NULL from an empty text and quote what needs it', async () => {
  await using target = await Target.make()
  const batches = [
    await target.table([
      [1n, 'a,"b"\n'],
      [null, ''],
    ]),
    await target.table([[2n, null]]),
  ]
  const [committable] = await target.stage(batches, { format: { type: 'csv', null: '' } })
  assert.ok(committable !== undefined)
  await target.coordinator().commit(permit, committable)
  assert.equal(String(await target.read('part-e1-c1-l0-0.csv')), 'id,text\n1,"a,""b""\n"\n,""\n2,\n')
})

test('options that fit no file are findings', () => {
  const findings = (options: Record<string, unknown>) => {
    const ask = { schema: undefined, lanes: 1, times: {} as never, delivery: 'two-phase' as const }
    return connector.sink?.describe(filesSinkOptions.parse(options), ask).findings.map(({ path }) => path?.[0])
  }
  assert.deepEqual(findings({ path: 'out', format: 'json' }), [])
  assert.deepEqual(findings({ path: 's3://bucket/x', format: 'json' }), [])
  assert.deepEqual(findings({ path: 'hdfs://host/x', format: 'json' }), ['path'])
  assert.deepEqual(findings({ path: 'out', format: 'parquet', compression: 'gzip' }), ['compression'])
  assert.deepEqual(findings({ path: 'out', format: 'json', compression: 'snappy' }), ['compression'])
})

test('the check names a directory that cannot be used', async () => {
  await using target = await Target.make()
  await writeFile(join(target.root, 'file'), '')
  const check = async (path: string) => {
    const times = { intervalMs: 1, timeoutMs: 1, maxDowntimeMs: 1, retained: 3 }
    const context = testSourceContext({ job: 'j', id: 's', baseDirectory: target.root, times })
    return (await target.sink({ path }).check({ ...context, schema: SCHEMA, lanes: 1 })).map(({ code }) => code)
  }
  assert.deepEqual(await check('new/deep'), [])
  assert.deepEqual(await check('file'), ['PREFLIGHT'])
  assert.deepEqual(await check('file/below'), ['PREFLIGHT'])
})

test('a process that died between renaming and confirming finds its file committed', async () => {
  await using target = await Target.make()
  const [committable] = await target.stage([bytesBatch(['{"id":1}'])])
  assert.ok(committable !== undefined)
  await rename(
    join(target.root, 'out', String(committable['staged'])),
    join(target.root, 'out', String(committable['name'])),
  )
  assert.deepEqual(await target.coordinator().commit(permit, committable), { outcome: 'already-committed' })
})
