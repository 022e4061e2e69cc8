/** Tables that Spark wrote, read whole: counts and sums are what Spark says of them. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { parseTableMetadata } from '../../clients/iceberg/index.ts'
import { fixtureTable, OpenedIceberg } from '../../testkit/iceberg-tables.ts'

type Row = Readonly<Record<string, unknown>>

async function read(name: string, options: Record<string, unknown> = {}): Promise<readonly Row[]> {
  await using table = await OpenedIceberg.open({ table: fixtureTable(name), ...options })
  return await table.readAll()
}

function sumOf(rows: readonly Row[], column: string): number {
  return rows.reduce((sum, row) => sum + Number(row[column] ?? 0), 0)
}

const TABLES: readonly [name: string, options: Record<string, unknown>, rows: number, ids: number, amounts: number][] =
  [
    ['v1_append', {}, 150, 11_175, 13_968.75],
    ['v2_append', {}, 400, 79_800, 99_750],
    ['v2_partitioned', {}, 300, 44_850, 56_062.5],
    ['v2_schema_evolution', {}, 300, 44_850, 56_062.5],
    ['v2_partition_evolution', {}, 300, 44_850, 56_062.5],
    ['v2_position_deletes', {}, 320, 56_635, 97_793.75],
    ['v2_compacted', {}, 230, 29_165, 36_456.25],
    ['v2_branches', {}, 150, 11_175, 13_968.75],
    ['v2_branches', { snapshot: { branch: 'audit' } }, 110, 14_995, 18_743.75],
    ['v2_branches', { snapshot: { tag: 'first100' } }, 100, 4_950, 6_187.5],
    ['v2_rolled_back', {}, 150, 31_175, 38_968.75],
    ['v2_expired', {}, 200, 19_900, 24_875],
    ['v2_overwrite', {}, 20, 6_300, 7_875],
    ['v2_equality_deletes', {}, 227, 30_761, 38_451.25],
  ]

for (const [name, options, rows, ids, amounts] of TABLES) {
  test(`${name} ${JSON.stringify(options)} has the rows that Spark sees`, async () => {
    const read_ = await read(name, options)
    assert.equal(read_.length, rows)
    assert.equal(sumOf(read_, 'id'), ids)
    assert.equal(sumOf(read_, 'amount'), amounts)
  })
}

test('columns are found by their ids: renamed, added, widened, and made anew under an old name', async () => {
  const rows = await read('v2_schema_evolution')
  assert.equal(rows.filter(({ remark }) => remark !== null).length, 240)
  assert.equal(sumOf(rows, 'extra'), 39_900)
  assert.equal(rows.filter(({ note }) => note !== null).length, 100)
  assert.ok(rows.every((row) => !('ratio' in row)))
})

test('an equality delete of NULL takes rows with NULL and no others', async () => {
  const rows = await read('v2_equality_deletes')
  assert.equal(rows.filter(({ customer, note }) => customer === 'c1' && note === null).length, 0)
  assert.ok(rows.some(({ customer, note }) => customer === 'c2' && note === null))
  // Written after the delete of the same id.
  assert.equal(rows.filter(({ id }) => id === 196).length, 1)
})

test('an earlier snapshot is read by its id and by a time at which it was current', async () => {
  const file = path.join(fixtureTable('v2_append'), 'metadata', 'v5.metadata.json')
  const [first, second] = parseTableMetadata(readFileSync(file), file).log
  const byId = await read('v2_append', { snapshot: first?.snapshotId })
  assert.equal(byId.length, 100)
  const isFirst = async (timestampMs = 0): Promise<boolean> =>
    JSON.stringify(await read('v2_append', { snapshot: { time: timestampMs } })) === JSON.stringify(byId)
  assert.ok(await isFirst(first?.timestampMs))
  assert.ok(await isFirst((second?.timestampMs ?? 0) - 1))
  assert.ok(!(await isFirst(second?.timestampMs)))
})

test('only the chosen columns come, in the chosen order', async () => {
  const rows = await read('v2_append', { columns: ['note', 'id'] })
  assert.deepEqual(Object.keys(rows[0] ?? {}), ['note', 'id'])
  assert.equal(sumOf(rows, 'id'), 79_800)
})

test('a condition takes exactly its rows, whatever files were left out', async () => {
  const all = await read('v2_partitioned')
  const where = "(region = 'eu' OR region IN ('us')) AND id >= 100 AND note IS NOT NULL AND ts < '2026-11-21T00:04:00Z'"
  const rows = await read('v2_partitioned', { where })
  const expected = all.filter(
    (row) =>
      (row['region'] === 'eu' || row['region'] === 'us') &&
      Number(row['id']) >= 100 &&
      row['note'] !== null &&
      String(row['ts']) < '2026-11-21 00:04:00',
  )
  assert.ok(expected.length > 0 && expected.length < all.length)
  assert.deepEqual(idsOf(rows), idsOf(expected))
})

function idsOf(rows: readonly Row[]): number[] {
  return rows.map(({ id }) => Number(id)).sort((a, b) => a - b)
}

test('metadata columns tell the file, the row in it, the snapshot and the change', async () => {
  const metadata = ['_file', '_offset', '_snapshot', '_change']
  await using table = await OpenedIceberg.open({ table: fixtureTable('v2_position_deletes') }, { metadata })
  const rows = await table.readAll()
  assert.equal(new Set(rows.map((row) => `${String(row['_file'])} ${String(row['_offset'])}`)).size, rows.length)
  assert.ok(rows.every((row) => String(row['_file']).endsWith('.parquet') && row['_change'] === 'insert'))
})

test('columns that nobody reads come as NULL, and deletes and conditions still look at them', async () => {
  const options = { table: fixtureTable('v2_equality_deletes'), where: 'id < 100' }
  await using part = await OpenedIceberg.open(options, { reads: ['ratio'] })
  await using whole = await OpenedIceberg.open(options)
  const rows = await part.readAll()
  assert.deepEqual(
    Object.keys(rows[0] ?? {}),
    part.schema.map(({ name }) => name),
  )
  assert.ok(rows.every(({ id, customer, note }) => id === null && customer === null && note === null))
  assert.equal(sumOf(rows, 'ratio'), sumOf(await whole.readAll(), 'ratio'))
})

test('format version 3 is refused with what to do', async () => {
  await assert.rejects(read('v3_deletion_vectors'), { code: 'SCHEMA', message: /version 3 .*rewrite the table/s })
})

test('a column, a branch or a snapshot that is not there is refused with what there is', async () => {
  await assert.rejects(read('v2_append', { columns: ['nope'] }), { code: 'SCHEMA', message: /there are id, customer/ })
  await assert.rejects(read('v2_append', { where: 'nope = 1' }), { code: 'CONFIG', message: /there are id, customer/ })
  await assert.rejects(read('v2_branches', { snapshot: { tag: 'x' } }), { code: 'CONFIG', message: /first100/ })
  await assert.rejects(read('v2_append', { snapshot: { id: '12' } }), { code: 'CONFIG', message: /there is \d{17}/ })
})
