import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import fc from 'fast-check'
import { BadMessage } from '../changes/json-members.ts'
import { RowBuffer } from '../changes/row-buffer.ts'
import { AvroCursor } from './avro-cursor.ts'
import { AvroJson } from './avro-json.ts'
import type { AvroType } from './avro-schema.ts'

/** 64 bits, exactly. */
const long = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (left: bigint, right: bigint) => (left < right ? -1 : Number(left > right)),
})

function record(...fields: readonly (readonly [name: string, type: AvroType])[]): string {
  return JSON.stringify({
    type: 'record',
    name: 'R',
    namespace: 'n',
    fields: fields.map(([name, type]) => ({ name, type })),
  })
}

/** What Apache's encoding, written by another library, becomes. */
function jsonOf(schema: string, value: unknown): string {
  const bytes = avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema, {
    registry: { long },
    noAnonymousTypes: false,
  }).toBuffer(value)
  return read(schema, bytes)
}

function read(schema: string, bytes: Buffer): string {
  const cursor = new AvroCursor()
  const out = new RowBuffer(0x0a)
  cursor.open(Buffer.concat([Buffer.from('x'), bytes, Buffer.from('x')]), 1, bytes.length + 1)
  new AvroJson(schema).write(cursor, out)
  assert.ok(cursor.isAtEnd)
  return out.buffer.toString('utf8', 0, out.length)
}

test('every number comes out with all its digits', () => {
  const schema = record(['i', 'int'], ['l', 'long'], ['d', 'double'])
  const values = fc.record({
    i: fc.integer(),
    l: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    d: fc.double({ noNaN: true, noDefaultInfinity: true }),
  })
  fc.assert(
    fc.property(values, (value) => {
      assert.equal(jsonOf(schema, value), `{"i":${value.i},"l":${value.l},"d":${String(value.d)}}`)
    }),
  )
})

test('texts, bytes, unions, arrays, maps, enums and records that contain themselves', () => {
  const schema = record(
    ['s', 'string'],
    ['b', 'bytes'],
    ['u', ['null', 'string']],
    ['a', { type: 'array', items: 'string' }],
    ['m', { type: 'map', values: 'int' }],
    ['e', { type: 'enum', name: 'E', symbols: ['X', 'Y'] }],
    ['next', ['null', 'R']],
  )
  const values = fc.record({
    s: fc.string({ unit: 'grapheme' }),
    b: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    u: fc.option(fc.string()),
    a: fc.array(fc.string()),
    m: fc.dictionary(
      fc.string().filter((name) => name !== '__proto__'),
      fc.integer(),
      { noNullPrototype: true },
    ),
    e: fc.constantFrom('X', 'Y'),
  })
  fc.assert(
    fc.property(values, values, (value, inner) => {
      const plain = (one: typeof value): object => ({ ...one, b: one.b.toString('base64') })
      assert.deepEqual(JSON.parse(jsonOf(schema, { ...value, next: { ...inner, next: null } })), {
        ...plain(value),
        next: { ...plain(inner), next: null },
      })
    }),
  )
})

test('logical types, and those of Kafka Connect and Debezium, become our texts, with the types of their columns', () => {
  const cases: readonly (readonly [AvroType, unknown, string, string])[] = [
    [
      { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 },
      Buffer.from([0xfa, 0x06]),
      '"-15.30"',
      'decimal(12,2)',
    ],
    [{ type: 'int', logicalType: 'date' }, 19_782, '"2024-02-29"', 'date'],
    [
      { type: 'long', logicalType: 'timestamp-millis' },
      1_700_000_000_123,
      '"2023-11-14 22:13:20.123000+00"',
      'timestamp with time zone',
    ],
    [{ type: 'long', logicalType: 'local-timestamp-micros' }, -1, '"1969-12-31 23:59:59.999999"', 'timestamp'],
    [{ type: 'int', logicalType: 'time-millis' }, 3_661_001, '"01:01:01.001000"', 'time'],
    [{ type: 'string', logicalType: 'uuid' }, 'abc', '"abc"', 'uuid'],
    [
      { type: 'long', 'connect.name': 'io.debezium.time.MicroTimestamp' },
      1,
      '"1970-01-01 00:00:00.000001"',
      'timestamp',
    ],
    [{ type: 'int', 'connect.name': 'io.debezium.time.Date' }, 1, '"1970-01-02"', 'date'],
    [
      { type: 'string', 'connect.name': 'io.debezium.time.ZonedTimestamp' },
      '2024-01-02T03:04:05Z',
      '"2024-01-02 03:04:05"',
      'timestamp with time zone',
    ],
    ['float', Math.fround(0.1), '0.1', 'float'],
  ]
  for (const [type, value, text, columnType] of cases) {
    const schema = record(['v', type])
    assert.equal(jsonOf(schema, { v: value }), `{"v":${text}}`)
    assert.deepEqual(new AvroJson(schema).columns(), [{ name: 'v', type: columnType, nullable: false }])
  }
})

test('what is cut off, has no such branch or no finite value is refused', () => {
  assert.throws(() => read(record(['s', 'string']), Buffer.from([10, 65])), BadMessage)
  assert.throws(() => read(record(['l', 'long']), Buffer.alloc(12, 0xff)), BadMessage)
  assert.throws(() => read(record(['u', ['null', 'int']]), Buffer.from([8])), BadMessage)
  assert.throws(() => jsonOf(record(['d', 'double']), { d: Number.NaN }), BadMessage)
  assert.throws(() => new AvroJson('"string"'), BadMessage)
})
