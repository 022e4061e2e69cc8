import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import avsc from 'avsc'
import protobuf from 'protobufjs'
import { openLaneDatabase, parseColumnType, type Column, type LaneDatabase } from '../../dataplane/index.ts'
import { AvroCursor } from '../avro/avro-cursor.ts'
import { AvroJson } from '../avro/avro-json.ts'
import { AvroRows } from '../avro/avro-rows.ts'
import { derivedAvro } from '../avro/derived-avro.ts'
import { RowBuffer } from '../changes/row-buffer.ts'
import { derivedProtobuf } from '../protobuf/derived-protobuf.ts'
import { ProtobufFile } from '../protobuf/protobuf-file.ts'
import { ProtobufJson } from '../protobuf/protobuf-json.ts'
import { ProtobufRows } from '../protobuf/protobuf-rows.ts'
import { ByteWriter } from './byte-writer.ts'
import { Cells, cellsSql } from './cells.ts'
import type { RowFormat } from './row-format.ts'

let database: LaneDatabase

before(async () => {
  database = await openLaneDatabase({ memoryLimitBytes: 1 << 28 })
})

after(() => database[Symbol.asyncDispose]())

const column = (name: string, type: string, nullable = true): Column => ({
  name,
  type: parseColumnType(type),
  nullable,
})

/** Values of rows, given as SQL, in a binary format. */
async function encoded(format: RowFormat, rows: string): Promise<Buffer[]> {
  const found = await database.run(`SELECT ${cellsSql(format.columns)} FROM (${rows})`)
  const out = new ByteWriter()
  const cells = new Cells()
  return found.map(([line]) => {
    out.reset()
    cells.open(Buffer.from(String(line)), 0)
    format.encode(cells, out)
    return Buffer.from(out.buffer.subarray(0, out.length))
  })
}

const COLUMNS = [
  column('i', 'integer'),
  column('l', 'bigint'),
  column('u', 'ubigint'),
  column('d', 'decimal(38,10)'),
  column('b', 'boolean'),
  column('f', 'float'),
  column('g', 'double'),
  column('s', 'varchar'),
  column('x', 'blob'),
  column('day', 'date'),
  column('t', 'time'),
  column('ts', 'timestamp(6)'),
  column('tz', 'timestamptz'),
]

const ROWS = `
  SELECT (-2147483648)::INTEGER AS i, (-9223372036854775808)::BIGINT AS l, 18446744073709551615::UBIGINT AS u,
    (-1234567890123456789012345678.0123456789)::DECIMAL(38,10) AS d, true AS b, 0.1::FLOAT AS f, 1e-300::DOUBLE AS g,
    'a "ü"' || chr(10) || ' 5 ' AS s, from_hex('00ff0a') AS x, DATE '1969-12-30' AS day, TIME '23:59:59.999999' AS t,
    TIMESTAMP '1969-12-31 23:59:59.999999' AS ts, TIMESTAMPTZ '2024-05-06 07:08:09.123456+00' AS tz
  UNION ALL SELECT 0, 9223372036854775807, 0, 128, false, 0, 0, '', from_hex(''), DATE '2024-02-29', TIME '00:00:00',
    TIMESTAMP '1970-01-01', TIMESTAMPTZ '0001-01-01 00:00:00+00'
  UNION ALL SELECT ${COLUMNS.map(() => 'NULL').join(', ')}`

const READ = [
  '{"i":-2147483648,"l":-9223372036854775808,"u":U,"d":D,"b":true,"f":0.1,"g":1e-300,"s":"a \\"ü\\"\\n 5 ","x":"AP8K",' +
    '"day":"1969-12-30","t":"23:59:59.999999","ts":"1969-12-31 23:59:59.999999","tz":"2024-05-06 07:08:09.123456+00"}',
  '{"i":0,"l":9223372036854775807,"u":V,"d":E,"b":false,"f":0,"g":0,"s":"","x":"","day":"2024-02-29","t":"00:00:00",' +
    '"ts":"1970-01-01 00:00:00","tz":"0001-01-01 00:00:00+00"}',
  `{${COLUMNS.map(({ name }) => `"${name}":null`).join()}}`,
]

function read(u: string, v: string, d: string, e: string): string[] {
  return READ.map((row) =>
    row
      .replace('"u":U', `"u":${u}`)
      .replace('"u":V', `"u":${v}`)
      .replace('"d":D', `"d":${d}`)
      .replace('"d":E', `"d":${e}`),
  )
}

test('every type survives the way through Avro, with a schema made of the columns', async () => {
  const schema = derivedAvro('clicks.v-1', COLUMNS)
  const values = await encoded(new AvroRows(schema, COLUMNS), ROWS)
  const json = new AvroJson(schema)
  const cursor = new AvroCursor()
  const rows = values.map((value) => {
    // Whatever else reads Avro takes it too.
    assert.ok(avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema, { wrapUnions: true, noAnonymousTypes: false }))
    const out = new RowBuffer(0x0a)
    cursor.open(value, 0, value.length)
    json.write(cursor, out)
    assert.ok(cursor.isAtEnd)
    return out.buffer.toString('utf8', 0, out.length)
  })
  const d = '"-1234567890123456789012345678.0123456789"'
  assert.deepEqual(rows, read('"18446744073709551615"', '"0"', d, '"128.0000000000"'))
  const types = json.columns().map(({ name, type }) => [name, type])
  assert.deepEqual(types.slice(-4), [
    ['day', 'date'],
    ['t', 'time'],
    ['ts', 'timestamp'],
    ['tz', 'timestamp with time zone'],
  ])
})

test('every type survives the way through Protobuf, with a schema made of the columns', async () => {
  const file = new ProtobufFile(derivedProtobuf('clicks', COLUMNS))
  const values = await encoded(new ProtobufRows(file.message(), COLUMNS), ROWS)
  const json = new ProtobufJson(file.message())
  const rows = values.map((value) => {
    const out = new RowBuffer(0x0a)
    json.write(value, 0, value.length, out)
    return out.buffer.toString('utf8', 0, out.length)
  })
  const d = '"-1234567890123456789012345678.0123456789"'
  // A Timestamp is a moment, whatever the column was.
  const zoned = read('18446744073709551615', '0', d, '"128.0000000000"').map((row) =>
    row.replace(/("ts":"[^"]+)"/, '$1+00"'),
  )
  assert.deepEqual(rows, zoned)
})

test('other readers of Avro and Protobuf see the same values', async () => {
  const avro = {
    type: 'record',
    name: 'R',
    fields: [
      { name: 'n', type: ['string', 'null'] },
      { name: 'v', type: 'long' },
    ],
  }
  const columns = [column('v', 'bigint'), column('n', 'varchar')]
  const rows = `SELECT -5::BIGINT AS v, 'ü' AS n UNION ALL SELECT 4503599627370496, NULL`
  const type = avsc.Type.forSchema(avro as avsc.Schema)
  const [one, two] = await encoded(new AvroRows(JSON.stringify(avro), columns), rows)
  assert.deepEqual({ ...(type.fromBuffer(one as Buffer) as object) }, { n: 'ü', v: -5 })
  assert.deepEqual({ ...(type.fromBuffer(two as Buffer) as object) }, { n: null, v: 4503599627370496 })

  const proto =
    'syntax = "proto3"; message M { sint64 v = 3; fixed32 f = 400; optional int32 i = 2; E e = 1; enum E { A = 0; B = 7; } }'
  const more = [column('v', 'bigint'), column('f', 'uinteger'), column('i', 'integer'), column('e', 'varchar')]
  const format = new ProtobufRows(new ProtobufFile(proto).message('M'), more)
  const [message] = await encoded(format, `SELECT -7::BIGINT AS v, 4294967295::UINTEGER AS f, -1 AS i, 'B' AS e`)
  const decoded = protobuf
    .parse(proto)
    .root.lookupType('M')
    .decode(message as Buffer)
  assert.deepEqual(decoded.toJSON(), { v: '-7', f: 4_294_967_295, i: -1, e: 'B' })
})

test('columns that do not fit a schema are told all at once', () => {
  const schema = JSON.stringify({
    type: 'record',
    name: 'R',
    fields: [
      { name: 'a', type: 'int' },
      { name: 'b', type: 'string' },
      { name: 'c', type: ['null', 'string'] },
    ],
  })
  const columns = [column('a', 'double'), column('z', 'bigint')]
  assert.throws(() => new AvroRows(schema, columns), {
    code: 'SCHEMA',
    message: /column a \(double\) does not fit.*no column for the field b.*no field z/,
  })
  const file = new ProtobufFile('syntax = "proto3"; message M { repeated int32 a = 1; }')
  assert.throws(() => new ProtobufRows(file.message(), columns), {
    code: 'SCHEMA',
    message: /column a \(double\) does not fit.*M has no field z/,
  })
  assert.throws(() => derivedAvro('t', [column('a b', 'bigint'), column('n', 'timestamp_ns')]), {
    message: /no name for a field.*nanoseconds/,
  })
})

test('values that a field cannot hold are poison, without the value in the message', async () => {
  const avro = (type: unknown): string => JSON.stringify({ type: 'record', name: 'R', fields: [{ name: 'v', type }] })
  const decimal = (precision: number, scale: number): object => ({
    type: 'bytes',
    logicalType: 'decimal',
    precision,
    scale,
  })
  const proto = (field: string): protobuf.Type =>
    new ProtobufFile(`syntax = "proto3"; message M { ${field} v = 1; }`).message()
  const cases: readonly (readonly [RowFormat, string])[] = [
    [new AvroRows(avro('int'), [column('v', 'bigint')]), '77777777777::BIGINT'],
    [new AvroRows(avro('string'), [column('v', 'varchar')]), 'NULL::VARCHAR'],
    [new AvroRows(avro(decimal(4, 1)), [column('v', 'decimal(10,2)')]), '7.77::DECIMAL(10,2)'],
    [new AvroRows(avro(decimal(4, 2)), [column('v', 'decimal(10,2)')]), '777.77::DECIMAL(10,2)'],
    [
      new AvroRows(avro({ type: 'long', logicalType: 'timestamp-millis' }), [column('v', 'timestamp(6)')]),
      `TIMESTAMP '2024-01-01 07:07:07.777777'`,
    ],
    [new AvroRows(avro({ type: 'enum', name: 'E', symbols: ['A'] }), [column('v', 'varchar')]), `'777'`],
    [new ProtobufRows(proto('uint32'), [column('v', 'bigint')]), '-777::BIGINT'],
    [new ProtobufRows(proto('int64'), [column('v', 'bigint')]), 'NULL::BIGINT'],
  ]
  for (const [format, value] of cases) {
    await assert.rejects(encoded(format, `SELECT ${value} AS v`), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'POISON')
      assert.doesNotMatch(error.message, /77/)
      return true
    })
  }
})
