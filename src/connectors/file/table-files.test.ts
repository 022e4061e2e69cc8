import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { Batch } from '../../core/batch.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/index.ts'
import { openSourceFiles, type SourceFiles } from '../../testkit/source-files.ts'
import { openTableMaker } from '../../testkit/table-maker.ts'

function schemaOf(types: Record<string, string>): Schema {
  return Object.entries(types).map(([name, type]) => ({ name, type, nullable: true }))
}

function failsWith(code: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof MillraceError && thrown.code === code
}

function open(): Promise<LaneDatabase> {
  return openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
}

/** Reads everything as tables; each row becomes JSON text with bigints as text. */
async function read(
  files: SourceFiles,
  database: LaneDatabase,
  options: Record<string, unknown>,
  schema: Schema,
  {
    stops = [],
    metadata = [],
    reads,
  }: {
    readonly stops?: readonly number[]
    readonly metadata?: readonly string[]
    readonly reads?: readonly string[]
  } = {},
): Promise<string[]> {
  const context = { schema, metadata, reads, format: { kind: 'table' }, database: async () => database } as const
  return await files.readWithStops(options, stops, context, async ({ body, rows }: Batch) => {
    assert.ok(body.kind === 'table')
    const values = await database.run(`SELECT * FROM "${body.relation}"`)
    assert.equal(values.length, rows)
    return values.map((row) =>
      JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)),
    )
  })
}

const CSV = schemaOf({ id: 'bigint', text: 'varchar' })

test('CSV records become rows: quotes, line ends inside of them, NULL and the empty text', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  const records = ['1,"a\nb"', '2,"say ""hi"", now"', '4,', '5,""', '6,"a,b\n\n"', '9223372036854775807,é']
  const expected = [
    '["1","a\\nb"]',
    '["2","say \\"hi\\", now"]',
    '["4",null]',
    '["5",""]',
    '["6","a,b\\n\\n"]',
    '["9223372036854775807","é"]',
  ]
  for (const lineEnd of ['\n', '\r\n']) {
    await files.write('a.csv', `\ufeffid,"text"${lineEnd}${records.join(lineEnd)}${lineEnd}`)
    assert.deepEqual(await read(files, database, { path: 'a.csv' }, CSV), expected)
    assert.deepEqual(
      await database.run(`SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'read%' AND estimated_size > 0`),
      [],
    )
  }
})

test('CSV of another dialect, without a header, compressed', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  await files.write('a.gz', gzipSync('1;NA\n2;a"b\n'))
  const format = { type: 'csv', delimiter: ';', header: false, quote: '', null: 'NA' }
  assert.deepEqual(await read(files, database, { path: 'a.gz', format }, CSV), ['["1",null]', '["2","a\\"b"]'])
})

test('metadata of CSV records tells file and byte', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  const path = await files.write('a.csv', 'id,text\n1,"x\ny"\n\n2,\n')
  assert.deepEqual(await read(files, database, { path: 'a.csv' }, CSV, { metadata: ['_offset', '_file'] }), [
    JSON.stringify(['1', 'x\ny', '8', path]),
    JSON.stringify(['2', null, '17', path]),
  ])
})

test('a CSV record that does not fit the schema is named by file, byte and column', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  const path = await files.write('a.csv', 'id,text\r\n1,a\r\n1.5,secret\r\n')
  await assert.rejects(read(files, database, { path: 'a.csv' }, CSV), (thrown) => {
    assert.ok(thrown instanceof MillraceError)
    assert.deepEqual([thrown.code, thrown.detail['file'], thrown.detail['byte']], ['POISON', path, 14])
    assert.match(thrown.message, /column id/)
    assert.doesNotMatch(thrown.message, /secret|1\.5/)
    return true
  })
})

test('a JSON field holds one document and cannot reach into the row', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  const schema = schemaOf({ doc: 'json', id: 'bigint' })
  await files.write('a.csv', 'doc,id\n"{""a"": 1.0}",1\n,2\n')
  assert.deepEqual(await read(files, database, { path: 'a.csv' }, schema), ['["{\\"a\\": 1.0}","1"]', '[null,"2"]'])
  await files.write('b.csv', 'doc,id\n"1,""x"":2",1\n')
  await assert.rejects(read(files, database, { path: 'b.csv' }, schema), failsWith('POISON'))
})

test('a CSV header that names other columns is refused', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  await files.write('a.csv', 'text,id\nx,1\n')
  await assert.rejects(read(files, database, { path: 'a.csv' }, CSV), failsWith('SCHEMA'))
})

test('every CSV record is read once, wherever a reader is dropped', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r\n', 'é'), maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 50 }), fc.boolean(), async (texts, crlf) => {
      const many = Array.from({ length: 400 }, () => texts).flat()
      const records = many.map((value, id) => `${id},"${value.replaceAll('"', '""')}"`)
      await files.write('a.csv', ['id,text', ...records].join(crlf ? '\r\n' : '\n'))
      const rows = await read(files, database, { path: 'a.csv' }, CSV, { stops: [1, 1] })
      assert.deepEqual(
        rows,
        many.map((value, id) => JSON.stringify([String(id), value])),
      )
    }),
    { numRuns: 10 },
  )
})

test('Parquet rows are read once each, wherever a reader is dropped', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  await using maker = await openTableMaker()
  const path = join(files.root, 'a.parquet')
  const rows = 150_000
  await maker.write(path, `SELECT i::BIGINT AS id, 'n' || i AS name FROM range(${rows}) r(i)`, 'ROW_GROUP_SIZE 20000')
  const schema = schemaOf({ name: 'varchar', id: 'bigint' })
  const read3 = await read(files, database, { path }, schema, { stops: [1, 2, 4], metadata: ['_offset'] })
  assert.equal(read3.length, rows)
  read3.forEach((row, index) => assert.equal(row, `["n${index}","${index}","${index}"]`))
})

test('Parquet columns become the schema’s types only where nothing is lost', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  await using maker = await openTableMaker()
  const path = join(files.root, 'a.parquet')
  await maker.write(path, `SELECT 5::INTEGER AS a, 1.5::DECIMAL(5,2) AS b, 7 AS unused`)
  const one = (types: Record<string, string>) => read(files, database, { path }, schemaOf(types))
  assert.deepEqual(await one({ a: 'bigint', b: 'decimal(10,3)' }).then((rows) => rows.length), 1)
  await assert.rejects(one({ a: 'smallint' }), failsWith('SCHEMA'))
  await assert.rejects(one({ b: 'double' }), failsWith('SCHEMA'))
  await assert.rejects(one({ c: 'bigint' }), failsWith('SCHEMA'))
})

test('Parquet columns that nobody reads are not fetched and come as NULL', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  await using maker = await openTableMaker()
  const path = join(files.root, 'a.parquet')
  await maker.write(path, `SELECT 5 AS a, 'x' AS b, 7::BIGINT AS c`)
  const schema = schemaOf({ a: 'bigint', b: 'varchar', c: 'bigint' })
  assert.deepEqual(await read(files, database, { path }, schema, { reads: ['c'] }), ['[null,null,"7"]'])
  // Rows have to be counted.
  assert.equal((await read(files, database, { path }, schema, { reads: [] })).length, 1)
})

test('Parquet moments become a coarser type where no digit is lost', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  await using maker = await openTableMaker()
  const path = join(files.root, 'a.parquet')
  const schema = schemaOf({ t: 'timestamp(3)' })
  await maker.write(path, `SELECT TIMESTAMP_MS '2024-01-01 00:00:00.123' AS t UNION ALL SELECT NULL`)
  assert.equal((await read(files, database, { path }, schema)).length, 2)
  await maker.write(path, `SELECT TIMESTAMP '2024-01-01 00:00:00.123456' AS t`)
  await assert.rejects(read(files, database, { path }, schema), failsWith('POISON'))
})

test('a file that is no Parquet, or is cut off, is damaged', async () => {
  await using files = await openSourceFiles()
  await using database = await open()
  const path = await files.write('a.parquet', 'PAR1 and nothing more')
  await assert.rejects(read(files, database, { path }, CSV), failsWith('DECODE'))
})
