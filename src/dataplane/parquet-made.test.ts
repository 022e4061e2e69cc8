import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { openLaneDatabase, type LaneDatabase } from './lane-database.ts'
import { ParquetAppender } from './parquet-append.ts'
import { constantPages, countedPages, type MadeColumn } from './parquet-made.ts'

let database: LaneDatabase
before(async () => {
  database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
})
after(() => database.close())

/** Writes rows of one number column as a fragment of its own, in row groups of 2048. */
async function fragment(from: number, rows: number): Promise<Buffer> {
  await database.run(
    `COPY (SELECT i AS id, CASE WHEN i % 3 = 0 THEN NULL ELSE 'x' || i END AS note FROM range(${from}, ${from + rows}) AS r(i))
     TO '${database.output.path}' (FORMAT parquet, USE_TMP_FILE false, ROW_GROUP_SIZE 2048)`,
  )
  const { buffer, length } = database.output.read(undefined)
  return Buffer.from(buffer.subarray(0, length))
}

function madeColumns(texts: {
  readonly constant: string
  readonly prefix: string
  readonly first: number
}): MadeColumn[] {
  let next = texts.first
  const counted = (rows: number): ReturnType<typeof countedPages> => {
    next += rows
    return countedPages(texts.prefix, next - rows, rows)
  }
  return [
    { name: 'made', at: 0, pages: (rows) => constantPages(texts.constant, rows) },
    { name: 'counted', at: 2, pages: counted },
    { name: 'last', at: 4, pages: (rows) => constantPages('', rows) },
  ]
}

test('made columns stand at their places in every row group, with every text where it belongs', async () => {
  const texts = fc.record({
    constant: fc.string({ unit: 'grapheme', maxLength: 80 }),
    prefix: fc.string({ unit: 'grapheme-ascii', maxLength: 150 }),
    first: fc.oneof(fc.constantFrom(0, 9, 95, 99_999, 2 ** 52), fc.integer({ min: 0, max: 2_000_000 })),
  })
  const sizes = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(texts, sizes, async (made, pieces) => {
      const appender = new ParquetAppender(madeColumns(made))
      const parts: Uint8Array[] = []
      let rows = 0
      for (const piece of pieces) {
        parts.push(...appender.append(await fragment(rows, piece)).map((part) => Buffer.from(part)))
        rows += piece
      }
      const file = Buffer.concat([...parts, appender.finish()])
      assert.deepEqual([appender.rows, appender.bytes], [rows, file.length])
      database.input.write(file, file.length)
      const from = `read_parquet('${database.input.path}')`
      const names = await database.run(`SELECT column_name FROM (DESCRIBE FROM ${from})`)
      assert.deepEqual(names.flat(), ['made', 'id', 'counted', 'note', 'last'])
      const found = await database.run(`SELECT made, id, counted, note, last FROM ${from}`)
      const expected = Array.from({ length: rows }, (_, row) => [
        made.constant,
        BigInt(row),
        `${made.prefix}${made.first + row}`,
        row % 3 === 0 ? null : `x${row}`,
        '',
      ])
      assert.deepEqual(found, expected)
    }),
    { numRuns: 12 },
  )
})

test('the footer counts the bytes of made columns, and their places do not overlap with others', async () => {
  const appender = new ParquetAppender(madeColumns({ constant: 'c', prefix: 'p', first: 7 }))
  const parts = [...appender.append(await fragment(0, 5000))].map((part) => Buffer.from(part))
  parts.push(...appender.append(await fragment(5000, 3000)).map((part) => Buffer.from(part)))
  const file = Buffer.concat([...parts, appender.finish()])
  database.input.write(file, file.length)
  const rows = await database.run(
    `SELECT coalesce(dictionary_page_offset, data_page_offset) AS start, start + total_compressed_size, row_group_id::INTEGER,
     row_group_bytes::BIGINT, sum(total_uncompressed_size) OVER (PARTITION BY row_group_id)::BIGINT
     FROM parquet_metadata('${database.input.path}') ORDER BY start`,
  )
  let end = 4n
  for (const [start, stop, , bytes, sum] of rows as [bigint, bigint, number, bigint, bigint][]) {
    assert.equal(start, end)
    assert.equal(bytes, sum)
    end = stop
  }
  assert.equal(rows.length, 5 * 5)
})

test('a filter on a made column finds its rows by the statistics', async () => {
  const appender = new ParquetAppender(madeColumns({ constant: 'only', prefix: 'p', first: 0 }))
  const file = Buffer.concat([...appender.append(await fragment(0, 100)), appender.finish()])
  database.input.write(file, file.length)
  const count = (where: string): Promise<unknown[][]> =>
    database.run(`SELECT count(*)::INTEGER FROM read_parquet('${database.input.path}') WHERE ${where}`)
  assert.deepEqual(await count(`made = 'only'`), [[100]])
  assert.deepEqual(await count(`made > 'only'`), [[0]])
  assert.deepEqual(await count(`counted = 'p42'`), [[1]])
})
