import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch, Body } from '../../core/batch.ts'
import { MillraceError } from '../../core/errors.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/index.ts'
import { openTemporaryStore, type TemporaryStore } from '../../testkit/temporary-store.ts'
import { storedSchema } from './avro-schema.ts'
import { LanePart } from './lane-part.ts'
import type { HudiTable } from './table.ts'

const INSTANT = '20261121100000123'
const PLAIN: HudiTable = {
  name: 'lake',
  database: '',
  partitionFields: [],
  recordKeyFields: [],
  hiveStyle: true,
  urlEncode: true,
}

interface World extends AsyncDisposable {
  readonly part: LanePart
  readonly releases: () => number
  batch(kind: 'parquet' | 'table', from: number, to: number): Promise<Batch>
  /** Rows of all files: id, amount, commit time, sequence number, record key, partition path, file name, path. */
  read(): Promise<unknown[][]>
  /** Rows of each row group, in the order of the files. */
  groups(): Promise<number[]>
}

async function openWorld(shape: Partial<HudiTable> = {}, targetFileSize = 2 ** 27): Promise<World> {
  const temporary = await openTemporaryStore()
  const database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
  const table = { ...PLAIN, ...shape }
  const stored = storedSchema('lake', [
    { name: 'id', type: 'bigint', nullable: true },
    { name: 'amount', type: 'decimal(12,2)', nullable: true },
    { name: 'dt', type: 'varchar', nullable: true },
  ])
  assert.ok('avro' in stored)
  const part = new LanePart({
    ticket: { instant: INSTANT, owner: { job: 'j', sink: 's', epoch: 1, checkpoint: 1 } },
    lane: 3,
    lanes: 4,
    name: 's',
    stored,
    targetFileSize,
    compression: 'snappy',
    meter: { count() {}, observe() {} },
    database: async () => database,
    store: async () => temporary.store,
    table: async () => table,
  })
  let batches = 0
  let releases = 0
  return {
    part,
    releases: () => releases,
    batch: async (kind, from, to) => {
      const select = `SELECT i AS id, (i * 0.25)::DECIMAL(12,2) AS amount, 'd' || (i % 2) AS dt FROM range(${from}, ${to}) r(i)`
      const body =
        kind === 'table'
          ? await tableBody(database, `b${++batches}`, select)
          : await fileBody(database, select, stored.columns)
      const release = (): void => void releases++
      return { kind: 'batch', split: 's', from: {}, next: {}, rows: to - from, bytes: 1, body, release }
    },
    read: () =>
      readFiles(
        database,
        temporary,
        'id, amount::VARCHAR, _hoodie_commit_time, _hoodie_commit_seqno, _hoodie_record_key, _hoodie_partition_path, _hoodie_file_name',
      ),
    groups: () => groupsOf(database, temporary),
    [Symbol.asyncDispose]: async () => {
      await database.close()
      await temporary[Symbol.asyncDispose]()
    },
  }
}

async function tableBody(database: LaneDatabase, relation: string, select: string): Promise<Body> {
  await database.run(`CREATE TEMP TABLE ${relation} AS ${select}`)
  return { kind: 'table', relation, schema: [] }
}

async function fileBody(
  database: LaneDatabase,
  select: string,
  columns: readonly { readonly name: string; readonly sql: string }[],
): Promise<Body> {
  const items = columns.map(({ name, sql }) => `${sql} AS ${name}`).join()
  await database.run(
    `COPY (SELECT ${items} FROM (${select})) TO '${database.output.path}' (FORMAT parquet, USE_TMP_FILE false)`,
  )
  return { kind: 'parquet', ...database.output.read(undefined) }
}

async function dataFiles({ store }: TemporaryStore): Promise<string[]> {
  const paths = (await Array.fromAsync(store.list(''))).map(({ path }) => path)
  return paths.filter((path) => path.endsWith('.parquet')).sort()
}

async function readFiles(database: LaneDatabase, temporary: TemporaryStore, columns: string): Promise<unknown[][]> {
  const rows: unknown[][] = []
  for (const path of await dataFiles(temporary)) {
    const bytes = (await temporary.store.read(path)) ?? Buffer.from('')
    database.input.write(bytes, bytes.byteLength)
    const found = await database.run(`SELECT ${columns} FROM read_parquet('${database.input.path}')`)
    for (const row of found) rows.push([...row, path])
  }
  return rows
}

async function groupsOf(database: LaneDatabase, temporary: TemporaryStore): Promise<number[]> {
  const groups: number[] = []
  for (const path of await dataFiles(temporary)) {
    const bytes = (await temporary.store.read(path)) ?? Buffer.from('')
    database.input.write(bytes, bytes.byteLength)
    const found = await database.run(
      `SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata('${database.input.path}') ORDER BY 1`,
    )
    groups.push(...found.map(([, rows]) => Number(rows)))
  }
  return groups
}

test('Parquet of many rows becomes a row group as it is, and small pieces are gathered into one', async () => {
  await using world = await openWorld()
  let rows = 0
  const counts = [10, 9000, 20, 8192, 8191, 30]
  for (const count of counts) {
    await world.part.write(await world.batch('parquet', rows, rows + count))
    rows += count
  }
  const { counts: cut } = await world.part.finish()
  assert.equal(cut.rows, rows)
  assert.equal(world.releases(), counts.length)
  assert.deepEqual(await world.groups(), [9000, 8192, 10 + 20 + 8191 + 30])
  const found = await world.read()
  assert.deepEqual(
    found.map(([id]) => Number(id)).sort((a, b) => a - b),
    Array.from({ length: rows }, (_, id) => id),
  )
  for (const [at, [id, amount, time, name, key, partition, file, path]] of found.entries()) {
    const expected = [(Number(id) * 0.25).toFixed(2), INSTANT, `${INSTANT}_3_${at}`, `${INSTANT}_3_${at}`, '', path]
    assert.deepEqual([amount, time, name, key, partition, file], expected)
  }
})

for (const kind of ['parquet', 'table'] as const) {
  test(`rows that come as ${kind} find the directories and keys of a table that has them`, async () => {
    await using world = await openWorld({ partitionFields: ['dt'], recordKeyFields: ['id', 'dt'] })
    for (const [from, to] of [
      [0, 10_000],
      [10_000, 10_100],
    ] as const)
      await world.part.write(await world.batch(kind, from, to))
    assert.equal((await world.part.finish()).counts.rows, 10_100)
    const found = await world.read()
    assert.equal(new Set(found.map(([, , , name]) => name)).size, 10_100)
    for (const [id, , , , key, partition, file, path] of found) {
      const dt = `d${Number(id) % 2}`
      assert.deepEqual([key, partition, `${partition}/${file}`], [`id:${id},dt:${dt}`, `dt=${dt}`, path])
    }
  })
}

test('files end at their target size and rows keep names of their own', async () => {
  await using world = await openWorld({}, 150_000)
  for (let from = 0; from < 36_000; from += 9000) {
    await world.part.write(await world.batch('parquet', from, from + 9000))
  }
  await world.part.finish()
  const found = await world.read()
  assert.ok(new Set(found.map((row) => row.at(-1))).size > 1)
  assert.equal(new Set(found.map(([, , , name]) => name)).size, 36_000)
})

test('what is written after an abort is released and refused, and no file is left', async () => {
  await using world = await openWorld()
  await world.part.write(await world.batch('parquet', 0, 9000))
  await world.part.write(await world.batch('parquet', 9000, 9010))
  await world.part.abort()
  await assert.rejects(world.part.write(await world.batch('parquet', 0, 9000)), (thrown) => {
    return thrown instanceof MillraceError && thrown.code === 'INTERRUPTED'
  })
  assert.equal(world.releases(), 3)
  assert.equal((await world.read()).length, 0)
})
