/** Files that DuckDB wrote, read back in pieces: what comes is what DuckDB itself reads of them. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { MillraceError } from '../../core/errors.ts'
import { openTableMaker } from '../../testkit/table-maker.ts'
import { openLaneDatabase, quoteName, type LaneDatabase } from '../index.ts'
import { planRequests, readRanges, type ByteRanges } from './byte-ranges.ts'
import {
  columnTypes,
  FILE_ROW,
  loadRowGroup,
  readFooter,
  rowGroupColumn,
  RowGroupTables,
  type RowSelect,
} from './index.ts'

async function openDatabase(): Promise<LaneDatabase> {
  return await openLaneDatabase({ memoryLimitBytes: 192 * 1024 * 1024 })
}

/** The bytes of a file that DuckDB makes of a SELECT. */
async function made(select: string, options?: string): Promise<Buffer> {
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-parquet-'))
  try {
    await using maker = await openTableMaker()
    await maker.write(path.join(directory, 'f.parquet'), select, options)
    return readFileSync(path.join(directory, 'f.parquet'))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function ranges(bytes: Buffer, size: number = bytes.length): ByteRanges & { readonly asked: [number, number][] } {
  const asked: [number, number][] = []
  return {
    name: 'f.parquet',
    size,
    asked,
    read: async (start, end) => {
      asked.push([start, end])
      return bytes.subarray(start, end)
    },
  }
}

/** All rows from `row` on, as DuckDB's values; the tables' bounds are checked on the way. */
async function readFrom(
  database: LaneDatabase,
  bytes: Buffer,
  select: RowSelect,
  row: number,
): Promise<{ rows: unknown[][]; fileRows: bigint[]; tables: number }> {
  const { footer, file } = await readFooter(ranges(bytes))
  const rows: unknown[][] = []
  const fileRows: bigint[] = []
  let tables = 0
  let at = row
  for (const group of footer.groups.filter(({ firstRow, rows: count }) => firstRow + count > row)) {
    const loaded = await loadRowGroup(file, footer, group, select.columns)
    const opened = RowGroupTables.open(database, file, group, select, loaded, row)
    for (let table = await opened.next(); table !== undefined; table = await opened.next()) {
      assert.equal(table.from, at)
      at = table.to
      tables++
      const found = await database.run(`SELECT * FROM ${quoteName(table.relation)}`)
      assert.equal(found.length, table.rows)
      rows.push(...found)
      fileRows.push(...(table.fileRows ?? []))
      await database.run(`DROP TABLE ${quoteName(table.relation)}`)
    }
    await opened.close()
  }
  assert.equal(at, Math.max(row, footer.rows))
  return { rows, fileRows, tables }
}

const ROWS = 15_000
const SELECT = `SELECT i::BIGINT AS id, [i, NULL, i + 1] AS list, CASE WHEN i % 3 = 0 THEN NULL ELSE 'n' || i END AS name,
  {'a': i, 'b': {'c': 'x' || i}} AS nested, (i / 7)::DECIMAL(18,4) AS amount FROM range(${ROWS}) r(i)`

test('columns and rows are chosen: any order, any start, any condition', async () => {
  const bytes = await made(SELECT, 'ROW_GROUP_SIZE 4096')
  await using database = await openDatabase()
  const all = await readFrom(database, bytes, { columns: [0, 2, 4], list: 'c0, c1, c2', condition: undefined }, 0)
  assert.equal(all.rows.length, ROWS)
  await fc.assert(
    fc.asyncProperty(fc.nat(ROWS + 10), fc.integer({ min: 1, max: 9 }), async (row, by) => {
      const select = {
        columns: [4, 0],
        list: `c1 AS id, ${FILE_ROW} AS at, c0 AS amount`,
        condition: `c1 % ${by} = 0`,
        isTraced: true,
      }
      const { rows, fileRows } = await readFrom(database, bytes, select, row)
      const wanted = all.rows.flatMap(([id, , amount], index) =>
        index >= row && Number(id) % by === 0 ? [[id, BigInt(index), amount, BigInt(index)]] : [],
      )
      assert.deepEqual(rows, wanted)
      assert.deepEqual(
        fileRows,
        wanted.map(([, at]) => at),
      )
    }),
    { numRuns: 12 },
  )
})

test('nested columns travel whole', async () => {
  const bytes = await made(SELECT, 'ROW_GROUP_SIZE 4096')
  await using database = await openDatabase()
  const { footer, file } = await readFooter(ranges(bytes))
  assert.deepEqual(
    footer.columns.map(({ name, isNested }) => [name, isNested]),
    [
      ['id', false],
      ['list', true],
      ['name', false],
      ['nested', true],
      ['amount', false],
    ],
  )
  const types = await columnTypes(database, file, footer, [3, 1])
  assert.match(types[0]?.text ?? '', /^STRUCT/)
  assert.match(types[1]?.text ?? '', /\[\]$/)
  const list = `${rowGroupColumn(0)}.b.c AS c, ${rowGroupColumn(1)}[3] AS third`
  const { rows } = await readFrom(database, bytes, { columns: [3, 1], list, condition: undefined }, ROWS - 1)
  assert.deepEqual(rows, [[`x${ROWS - 1}`, BigInt(ROWS)]])
})

test('a row group that is too large for one table is decoded in parts', async () => {
  const bytes = await made(
    `SELECT i AS id, i || repeat('x', 4000) AS text FROM range(20000) r(i)`,
    'ROW_GROUP_SIZE 20480',
  )
  await using database = await openDatabase()
  const select = { columns: [0, 1], list: 'c0 AS id, length(c1) AS size', condition: 'c0 % 2 = 0' }
  const { rows, tables } = await readFrom(database, bytes, select, 0)
  assert.ok(tables > 3, `${tables} tables`)
  assert.deepEqual(
    rows.map(([id]) => Number(id)),
    Array.from({ length: 10_000 }, (_, index) => 2 * index),
  )
  const later = await readFrom(database, bytes, select, 12_345)
  assert.deepEqual(later.rows, rows.slice(6_173))
})

test('a row group that is too large for memory is copied piece by piece, again when another one took its place', async () => {
  // 21 MB in three chunks that cannot be packed.
  const count = 110_000
  const text = (seed: string): string => `md5(i || '${seed}') || md5('${seed}' || i)`
  const bytes = await made(
    `SELECT i AS id, ${text('a')} AS a, ${text('b')} AS b, ${text('c')} AS c FROM range(${count}) r(i)`,
    'COMPRESSION uncompressed, ROW_GROUP_SIZE 122880, DICTIONARY_SIZE_LIMIT 1',
  )
  await using database = await openDatabase()
  const select = {
    columns: [3, 0, 2, 1],
    list: `c1 AS id, c3 = ${text('a').replaceAll('i ', 'c1 ').replaceAll('|| i', '|| c1')} AS same`,
    condition: undefined,
  }
  const open = async (): Promise<{ tables: RowGroupTables; asked: readonly (readonly [number, number])[] }> => {
    const read = ranges(bytes)
    const { footer, file } = await readFooter(read)
    const [group] = footer.groups
    assert.ok(group !== undefined && footer.groups.length === 1)
    const loaded = await loadRowGroup(file, footer, group, select.columns)
    return { tables: RowGroupTables.open(database, file, group, select, loaded, 0), asked: read.asked }
  }
  const both = [await open(), await open()]
  const ids = both.map((): number[] => [])
  for (let isMore = true; isMore;) {
    isMore = false
    for (const [which, { tables }] of both.entries()) {
      const table = await tables.next()
      if (table === undefined) continue
      isMore = true
      const rows = await database.run(`SELECT id, same FROM ${quoteName(table.relation)}`)
      assert.ok(rows.every(([, same]) => same === true))
      ids[which]?.push(...rows.map(([id]) => Number(id)))
      await database.run(`DROP TABLE ${quoteName(table.relation)}`)
    }
  }
  const all = Array.from({ length: count }, (_, index) => index)
  assert.deepEqual(ids, [all, all])
  for (const { tables, asked } of both) {
    assert.ok(asked.every(([start, end]) => end - start <= 8 * 1024 * 1024))
    const bytesAsked = asked.reduce((sum, [start, end]) => sum + end - start, 0)
    assert.ok(bytesAsked > 1.9 * bytes.length, `${bytesAsked} of ${bytes.length}`)
    await tables.close()
  }
  assert.equal(database.large.holder, undefined)
})

test('only the bytes of the chosen columns are asked for', async () => {
  const bytes = await made(`SELECT md5(i::VARCHAR) AS a, i AS b, sha256(i::VARCHAR) AS c FROM range(40000) r(i)`)
  const read = ranges(bytes)
  const { footer, file } = await readFooter(read)
  const [group] = footer.groups
  assert.ok(group !== undefined)
  read.asked.length = 0
  const { pieces } = await loadRowGroup(file, footer, group, [1])
  assert.ok(Array.isArray(pieces))
  const asked = read.asked.reduce((sum, [start, end]) => sum + end - start, 0)
  const loaded = pieces.reduce((sum, part: Uint8Array) => sum + part.length, 0)
  assert.ok(asked <= loaded && loaded < bytes.length / 5, `${asked} of ${bytes.length}`)
})

test('a file that breaks off is damaged, and is named', async () => {
  const bytes = await made(SELECT, 'ROW_GROUP_SIZE 4096')
  const damaged = { code: 'DECODE', retry: 'halt', message: /f\.parquet/ }
  for (const length of [0, 8, 100, bytes.length - 9]) {
    await assert.rejects(readFooter(ranges(bytes.subarray(0, length), bytes.length)), damaged)
    await assert.rejects(readFooter(ranges(bytes.subarray(0, length))), damaged)
  }
})

test('a damaged footer is an error of ours, whatever is wrong with it', async () => {
  const bytes = await made('SELECT i AS id, i || i AS t FROM range(3000) r(i)', 'ROW_GROUP_SIZE 2048')
  const footerBytes = bytes.readUInt32LE(bytes.length - 8) + 8
  await fc.assert(
    fc.asyncProperty(fc.nat(footerBytes - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const broken = Buffer.from(bytes)
      const place = bytes.length - footerBytes + at
      broken[place] = (broken[place] ?? 0) ^ change
      try {
        await readFooter(ranges(broken))
      } catch (error) {
        assert.ok(error instanceof MillraceError, String(error))
      }
    }),
    { numRuns: 500 },
  )
})

test('damaged pages are named without their values', async () => {
  const bytes = await made(`SELECT 'secret' || i AS t FROM range(5000) r(i)`)
  bytes.fill(0xff, 100, 400)
  await using database = await openDatabase()
  await assert.rejects(
    readFrom(database, bytes, { columns: [0], list: 'c0 AS t', condition: undefined }, 0),
    (error) => {
      assert.ok(error instanceof MillraceError && error.code === 'DECODE')
      assert.match(error.message, /f\.parquet/)
      assert.doesNotMatch(error.message, /secret/)
      return true
    },
  )
})

test('requests cover what is wanted, join what is near, and are bounded', async () => {
  const file = ranges(Buffer.from(Array.from({ length: 4096 }, (_, index) => index & 255)))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(4000), fc.nat(96)), { maxLength: 6 }), async (wanted) => {
      const asked = wanted.map(([start, length]) => ({ start, end: start + length }))
      const parts = await readRanges(file, asked)
      for (const [index, { start, end }] of asked.entries()) {
        const expected = Array.from({ length: end - start }, (_, at) => (start + at) & 255)
        assert.deepEqual([...Buffer.concat(parts[index] ?? [])], expected)
      }
    }),
  )
  assert.equal(
    planRequests([
      { start: 0, end: 10 },
      { start: 1000, end: 1010 },
    ]).length,
    1,
  )
  assert.equal(
    planRequests([
      { start: 0, end: 10 },
      { start: 10_000_000, end: 10_000_010 },
    ]).length,
    2,
  )
  assert.equal(planRequests([{ start: 0, end: 20_000_000 }]).length, 3)
})
