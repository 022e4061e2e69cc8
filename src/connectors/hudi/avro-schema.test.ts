import assert from 'node:assert/strict'
import { test } from 'node:test'
import avro, { type Schema as AvroSchema } from 'avsc'
import { openLaneDatabase } from '../../dataplane/index.ts'
import { storedSchema } from './avro-schema.ts'

function stored(type: string): { readonly avro: object | string; readonly sql: string } | undefined {
  const result = storedSchema('t', [{ name: 'c', type, nullable: true }])
  return 'columns' in result ? result.columns[0] : undefined
}

const MICROS = { type: 'long', logicalType: 'timestamp-micros' }
const TIMESTAMP = 'CAST("c" AS TIMESTAMP)'
const MOMENT = `coalesce(make_timestamptz(epoch_us(${TIMESTAMP})), ${TIMESTAMP} AT TIME ZONE 'UTC')`

for (const [type, avroType, sql] of [
  ['bigint', 'long', '"c"'],
  ['INTEGER', 'int', '"c"'],
  ['smallint', 'int', 'CAST("c" AS INTEGER)'],
  ['tinyint', 'int', 'CAST("c" AS INTEGER)'],
  ['uinteger', 'long', 'CAST("c" AS BIGINT)'],
  ['double', 'double', '"c"'],
  ['varchar(20)', 'string', '"c"'],
  ['blob', 'bytes', '"c"'],
  ['date', { type: 'int', logicalType: 'date' }, '"c"'],
  ['timestamp', MICROS, MOMENT],
  ['timestamp(3)', MICROS, MOMENT],
  ['timestamptz', MICROS, '"c"'],
  ['time', 'string', 'CAST("c" AS VARCHAR)'],
  ['uuid', 'string', 'CAST("c" AS VARCHAR)'],
] as const) {
  test(`${type} is stored as ${JSON.stringify(avroType)}`, () => {
    const column = stored(type)
    assert.deepEqual([column?.avro, column?.sql], [avroType, sql])
  })
}

test('decimals of any precision are 16 fixed bytes, which Java copies unharmed', () => {
  for (const [type, scale] of [
    ['decimal(15,2)', 2],
    ['DECIMAL(38, 10)', 10],
    ['decimal', 3],
    ['hugeint', 0],
  ] as const) {
    const column = stored(type)
    assert.equal(column?.sql, `CAST("c" AS DECIMAL(38,${scale}))`)
    assert.deepEqual(column?.avro, {
      type: 'fixed',
      name: 'fixed',
      namespace: 'hoodie.t.t_record.c',
      size: 16,
      logicalType: 'decimal',
      precision: 38,
      scale,
    })
  }
})

test('the schema is named as Spark names it, and is a valid Avro schema', () => {
  const columns = ['id bigint', 'a decimal(9,2)', 'b decimal(9,3)'].map((text) => {
    const [name = '', ...type] = text.split(' ')
    return { name, type: type.join(' '), nullable: true }
  })
  const result = storedSchema('orders', columns)
  assert.ok('avro' in result)
  const parsed = avro.Type.forSchema(JSON.parse(result.avro) as AvroSchema)
  assert.equal(parsed.name, 'hoodie.orders.orders_record')
  assert.equal(result.avro.includes('='), false)
})

test('types and names that Hudi cannot hold are all reported at once, with a way out', () => {
  const result = storedSchema('t', [
    { name: 'a', type: 'timestamp_ns', nullable: true },
    { name: 'b', type: 'struct(x integer)', nullable: true },
    { name: 'c d', type: 'bigint', nullable: true },
    { name: '_hoodie_commit_time', type: 'varchar', nullable: true },
    { name: 'A', type: 'bigint', nullable: true },
  ])
  assert.ok('findings' in result)
  assert.equal(result.findings.length, 5)
  for (const { code, hint } of result.findings) assert.deepEqual([code, typeof hint], ['SCHEMA', 'string'])
})

test('a moment without a zone is stored as that of UTC, also at the ends of time, and NULL as NULL', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 64 * 1024 * 1024 })
  const moments = `(VALUES (1, TIMESTAMP_MS '1969-12-31 23:59:59.999'), (2, 'infinity'), (3, '-infinity'), (4, NULL)) AS t(n, c)`
  const rows = await database.run(
    `SELECT CAST(${stored('timestamp(3)')?.sql} AS VARCHAR) AS text FROM ${moments} ORDER BY n`,
  )
  assert.deepEqual(rows.flat(), ['1969-12-31 23:59:59.999+00', 'infinity', '-infinity', null])
})
