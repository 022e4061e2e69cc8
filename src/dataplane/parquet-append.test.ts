import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { openLaneDatabase, type LaneDatabase } from './lane-database.ts'
import { ParquetAppender } from './parquet-append.ts'

let database: LaneDatabase
before(async () => {
  database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
})
after(() => database.close())

/** One column of every type, made from a number, with some NULLs. */
const EVERY_TYPE = `
  i AS id, (i % 120)::TINYINT AS a, (i * 1.0)::DECIMAL(38,0) AS b, i::UBIGINT AS c, i / 7::DOUBLE AS d, (i / 3)::FLOAT AS e,
  (i * 1.01)::DECIMAL(9,2) AS f, (i * 1.01)::DECIMAL(18,2) AS g, (i * 1.01)::DECIMAL(38,2) AS h, i % 2 = 0 AS k,
  CASE WHEN i % 5 = 0 THEN NULL ELSE 'text ' || (i % 7) END AS l, 'ü' || i AS m, i::VARCHAR::BLOB AS n,
  DATE '2000-01-01' + (i % 9999)::INTEGER AS o, TIMESTAMP '2000-01-01' + to_microseconds(i) AS p,
  TIMESTAMPTZ '2000-01-01 00:00:00Z' + to_microseconds(i) AS q, TIME '00:00:00' + to_microseconds(i) AS r,
  md5(i::VARCHAR)::UUID AS s, NULL::INTEGER AS t, [i, i + 1] AS u, {'x': i, 'y': 'z'} AS v`

async function fragment(select: string, options: string): Promise<Buffer> {
  await database.run(`COPY (${select}) TO '${database.output.path}' (FORMAT parquet, USE_TMP_FILE false ${options})`)
  const { buffer, length } = database.output.read(undefined)
  return buffer.subarray(0, length)
}

function concatenate(
  fragments: readonly Buffer[],
  keyValues?: Record<string, string>,
): { file: Buffer; appender: ParquetAppender } {
  const appender = new ParquetAppender()
  const parts = fragments.flatMap((bytes) => appender.append(bytes).map((part) => Buffer.from(part)))
  const file = Buffer.concat([...parts, appender.finish(keyValues)])
  return { file, appender }
}

test('fragments of every type become one file with the same rows in the same order', async () => {
  const options = fc.constantFrom(
    ', COMPRESSION snappy',
    ', COMPRESSION zstd, ROW_GROUP_SIZE 2048',
    ', COMPRESSION uncompressed, DICTIONARY_SIZE_LIMIT 0',
  )
  const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 6000 }), options), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(sizes, async (pieces) => {
      const fragments: Buffer[] = []
      let next = 0
      for (const [rows, option] of pieces) {
        fragments.push(await fragment(`SELECT ${EVERY_TYPE} FROM range(${next}, ${next + rows}) AS numbers(i)`, option))
        next += rows
      }
      const { file, appender } = concatenate(fragments)
      assert.deepEqual([appender.rows, appender.bytes], [next, file.length])
      database.input.write(file, file.length)
      const same = await database.run(
        `SELECT count(*)::INTEGER, count(*) FILTER (a::VARCHAR IS DISTINCT FROM b::VARCHAR)::INTEGER
         FROM (SELECT file AS a FROM read_parquet('${database.input.path}') AS file)
         POSITIONAL JOIN (SELECT made AS b FROM (SELECT ${EVERY_TYPE} FROM range(${next}) AS numbers(i)) AS made)`,
      )
      assert.deepEqual(same, [[next, 0]])
      // Filters use dictionaries, statistics and bloom filters: they must lie where the footer says.
      const found = await database.run(
        `SELECT count(*)::INTEGER FROM read_parquet('${database.input.path}') WHERE m = 'ü${next - 1}' AND id >= ${next - 1}`,
      )
      assert.deepEqual(found, [[1]])
    }),
    { numRuns: 12 },
  )
})

test('the key-value metadata is what the caller gives at the end', async () => {
  const parts = [await fragment('SELECT 1 AS a', `, KV_METADATA {old: 'x'}`), await fragment('SELECT 2 AS a', '')]
  const { file } = concatenate(parts, { hoodie_min_record_key: 'a', ключ: 'ü' })
  database.input.write(file, file.length)
  const rows = await database.run(
    `SELECT decode(key), decode(value) FROM parquet_kv_metadata('${database.input.path}') ORDER BY 1`,
  )
  assert.deepEqual(rows, [
    ['hoodie_min_record_key', 'a'],
    ['ключ', 'ü'],
  ])
})

test('offsets in the footer lie inside of the file and do not overlap', async () => {
  const select = `SELECT ${EVERY_TYPE} FROM range(3000) AS numbers(i)`
  const { file } = concatenate([await fragment(select, ''), await fragment(select, ', ROW_GROUP_SIZE 2048')])
  database.input.write(file, file.length)
  const rows = await database.run(
    `SELECT coalesce(dictionary_page_offset, data_page_offset) AS start, start + total_compressed_size, row_group_id::INTEGER
     FROM parquet_metadata('${database.input.path}') ORDER BY start`,
  )
  let end = 4n
  for (const [start, stop] of rows as [bigint, bigint, number][]) {
    assert.ok(start >= end && stop <= BigInt(file.length), `${start} ${end}`)
    end = stop
  }
  assert.equal(new Set(rows.map(([, , group]) => group)).size, 3)
})

test('other columns and damaged fragments are refused', async () => {
  const appender = new ParquetAppender()
  const good = await fragment('SELECT 1 AS a', '')
  appender.append(good)
  const other = await fragment(`SELECT 'x' AS a`, '')
  assert.throws(() => appender.append(other), { code: 'SCHEMA' })
  assert.throws(() => appender.append(Buffer.from('PAR1')), { code: 'DECODE' })
  assert.throws(() => appender.append(good.subarray(0, good.length - 1)), { code: 'DECODE' })
  const lying = Buffer.from(good)
  lying.writeUInt32LE(2 ** 31, lying.length - 8)
  assert.throws(() => appender.append(lying), { code: 'DECODE' })
})
