import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import { keyLane, openLaneDatabase, quoteName, type LaneDatabase } from '../../dataplane/index.ts'
import { Spreader } from './spreader.ts'
import { TableBlocks } from './table-blocks.ts'
import { TableRouter } from './table-router.ts'

const LIMIT = { memoryLimitBytes: 64 * 1024 * 1024 }

/** A column of every type, with its hardest values. */
const COLUMNS: readonly (readonly [type: string, ...values: string[]])[] = [
  ['tinyint', '-128', '127'],
  ['ubigint', '18446744073709551615', '0'],
  ['bigint', '-9223372036854775808', '9007199254740993'],
  ['hugeint', '-170141183460469231731687303715884105728', '1'],
  ['uhugeint', '340282366920938463463374607431768211455', '0'],
  ['decimal(38,38)', '0.00000000000000000000000000000000000001', '-0.1'],
  ['decimal(4,1)', '-999.9', '0.1'],
  ['double', "'nan'", "'-0.0'"],
  ['float', '0.1', "'-inf'"],
  ['boolean', 'true', 'false'],
  ['varchar', "'ü€😀' || chr(10) || '\\,\"'", "''"],
  ['json', `'{"a": 1.10,  "b":[ ]}'`, "'null'"],
  ['blob', "'\\x00\\xFF'::blob", "''::blob"],
  ['uuid', "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'00000000-0000-0000-0000-000000000001'"],
  ['date', "'0001-01-01'", "'9999-12-31'"],
  ['time', "'23:59:59.999999'", "'00:00:00'"],
  ['timestamp(0)', "'1969-12-31 23:59:59'", "'2300-01-01 00:00:00'"],
  ['timestamp(3)', "'1969-12-31 23:59:59.999'", "'2300-01-01 00:00:00.001'"],
  ['timestamp(6)', "'1969-12-31 23:59:59.999999'", "'9999-01-01 00:00:00.000001'"],
  ['timestamp(9)', "'1969-12-31 23:59:59.999999999'", "'2200-01-01 00:00:00.000000001'"],
  ['timestamptz', "'2024-05-06 07:08:09.123456+05:30'", "'1969-12-31 23:59:59Z'"],
]

const DUCK: Readonly<Record<string, string>> = {
  'timestamp(0)': 'timestamp_s',
  'timestamp(3)': 'timestamp_ms',
  'timestamp(6)': 'timestamp',
  'timestamp(9)': 'timestamp_ns',
}

const SCHEMA: Schema = [
  { name: 'id', type: 'bigint', nullable: true },
  { name: 'place', type: 'varchar', nullable: true },
  ...COLUMNS.map(([type], at) => ({ name: `c "${at}"`, type, nullable: true })),
]

let tables = 0

/** Rows `from` to `to`, in columns of every type with a NULL now and then. */
async function batchOf(database: LaneDatabase, from: number, to: number): Promise<Batch> {
  const relation = `rows ${++tables}`
  const values = COLUMNS.map(([type, one = 'NULL', other = 'NULL'], at) => {
    const duck = DUCK[type] ?? type
    const text = `CASE (i + ${at}) % 3 WHEN 0 THEN CAST(${one} AS ${duck}) WHEN 1 THEN CAST(${other} AS ${duck}) END`
    return `${text} AS ${quoteName(`c "${at}"`)}`
  })
  const place = `CASE WHEN i % 10 = 9 THEN NULL ELSE 'place ' || (i % 10) END`
  const select = `SELECT i AS id, ${place} AS place, ${values.join(', ')} FROM range(${from}, ${to}) t(i)`
  await database.run(`CREATE TEMP TABLE ${quoteName(relation)} AS ${select}`)
  return {
    kind: 'batch',
    split: 's',
    from: { row: from },
    next: { row: to },
    body: { kind: 'table', relation, schema: SCHEMA },
    rows: to - from,
    bytes: (to - from) * 100,
    release: () => void database.run(`DROP TABLE ${quoteName(relation)}`),
  }
}

async function textsOf(database: LaneDatabase, { body }: Batch): Promise<string[]> {
  assert.ok(body.kind === 'table')
  const columns = SCHEMA.map(({ name }) => `typeof(${quoteName(name)}), CAST(${quoteName(name)} AS VARCHAR)`)
  const rows = await database.run(`SELECT ${columns.join(', ')} FROM ${quoteName(body.relation)}`)
  return rows.map((row) => JSON.stringify(row))
}

/** Routes the batches in lane 0; what each lane has then, as texts in order. */
async function routed(
  database: LaneDatabase,
  options: { readonly lanes: number; readonly key: readonly string[]; readonly spreader?: Spreader },
  batches: readonly Batch[],
): Promise<string[][]> {
  const { lanes, key, spreader } = options
  const open = async (): Promise<LaneDatabase> => database
  const router = new TableRouter({ id: 'x', lane: 0, lanes, key, schema: SCHEMA, database: open, spreader })
  const blocks = new TableBlocks('x', SCHEMA, open)
  const result = Array.from({ length: lanes }, (): string[] => [])
  for await (const { lane, batch } of router.route(batches)) {
    const table = lane === 0 ? batch : await blocks.unpack(batch)
    const texts = await textsOf(database, table)
    assert.equal(texts.length, batch.rows)
    result[lane]?.push(...texts)
    table.release()
  }
  return result
}

test('values of every type arrive as they were, in the lane of their key and in order', async () => {
  await using database = await openLaneDatabase(LIMIT)
  for (const key of [['id'], ['place'], [quoteName('place'), 'id % 3']]) {
    const batches = [await batchOf(database, 0, 300), await batchOf(database, 300, 700)]
    const all = (await Promise.all(batches.map((batch) => textsOf(database, batch)))).flat()
    const lanes = 3
    const texts = await database.run(
      `SELECT concat_ws(chr(31), ${key.map((part) => `coalesce(CAST(${part} AS VARCHAR), '')`).join(', ')})
       FROM (SELECT i AS id, CASE WHEN i % 10 = 9 THEN NULL ELSE 'place ' || (i % 10) END AS place FROM range(700) t(i))`,
    )
    const wanted = Array.from({ length: lanes }, (_, lane) =>
      all.filter((_row, at) => keyLane(String(texts[at]?.[0]), lanes) === lane),
    )
    assert.deepEqual(await routed(database, { lanes, key }, batches), wanted)
  }
  const tables = await database.run(`SELECT table_name FROM duckdb_tables() WHERE table_name <> 'lanes of x'`)
  assert.deepEqual(tables, [], 'every table was released')
})

test('rows that stay are the batches themselves, and nothing is copied', async () => {
  await using database = await openLaneDatabase(LIMIT)
  const spreader = new Spreader(2)
  const places = ['', ...Array.from({ length: 9 }, (_, at) => `place ${at}`)]
  spreader.follow(places.map((place) => [place, 0]))
  const open = async (): Promise<LaneDatabase> => database
  const key = ['place']
  const router = new TableRouter({ id: 'x', lane: 0, lanes: 2, key, schema: SCHEMA, database: open, spreader })
  const batches = [await batchOf(database, 0, 10), await batchOf(database, 10, 20)]
  const parcels = []
  for await (const parcel of router.route(batches)) parcels.push(parcel)
  assert.deepEqual(
    parcels,
    batches.map((batch) => ({ lane: 0, batch })),
  )
  assert.deepEqual(
    spreader.report().toSorted(([a], [b]) => (a < b ? -1 : 1)),
    places.map((place) => [place, 200]),
  )
})

test('rows follow their routes, and a scattered value goes to several lanes piece by piece', async () => {
  await using database = await openLaneDatabase(LIMIT)
  const spreader = new Spreader(2)
  const places = ['', ...Array.from({ length: 9 }, (_, at) => `place ${at}`)]
  spreader.follow(places.map((place) => [place, place === 'place 3' ? [0.5, 0.5] : place === '' ? 1 : 0]))
  const lanesOf3: number[] = []
  for (let piece = 0; piece < 4; piece++) {
    const [here = [], there = []] = await routed(database, { lanes: 2, key: ['place'], spreader }, [
      await batchOf(database, 0, 100),
    ])
    assert.equal(here.length + there.length, 100)
    assert.ok(there.filter((row) => !row.includes('place 3')).every((row) => row.includes('"VARCHAR",null')))
    lanesOf3.push(there.some((row) => row.includes('place 3')) ? 1 : 0)
  }
  assert.deepEqual(
    lanesOf3.toSorted((a, b) => a - b),
    [0, 0, 1, 1],
  )
})

test('a key that cannot be computed is refused without its value', async () => {
  await using database = await openLaneDatabase(LIMIT)
  const batch = await batchOf(database, 0, 10)
  await assert.rejects(
    routed(database, { lanes: 2, key: ['CAST(place AS INTEGER)'] }, [batch]),
    ({ code, message }: { code: string; message: string }) => code === 'POISON' && !message.includes('place'),
  )
})
