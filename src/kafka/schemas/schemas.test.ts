import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonNumber } from '../../core/exact-json.ts'
import { SchemaRegistryServer } from '../../testkit/schema-registry.ts'
import type { SchemaCodec } from './schema-codec.ts'
import { Schemas } from './schemas.ts'

const QUICK = { attempts: 3, baseMs: 1 }
const ORDER = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'customer', type: ['null', 'string'], default: null },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 2 } },
    { name: 'raw', type: 'bytes' },
  ],
}
const PROTO = `syntax = "proto3";
package shop;
message Item { string name = 1; sint64 price = 2; }
message Order {
  enum Kind { NEW = 0; OLD = 1; }
  int64 id = 1; repeated Item items = 2; Kind kind = 3; bytes raw = 4; map<string, uint64> counts = 5;
}`

function hundredths(count: bigint): JsonNumber {
  const digits = String(count < 0n ? -count : count).padStart(3, '0')
  return new JsonNumber(`${count < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`)
}

test('what is written with Avro is read with all its digits, by one who only knows the registry', async () => {
  await using server = await SchemaRegistryServer.start()
  const schemas = new Schemas({ url: server.url, retry: QUICK })
  const make = (): SchemaCodec<object> => schemas.avro<object>({ subject: 'o-value', schema: ORDER })
  const [writer, reader] = [make(), make()]
  const values = fc.record({
    id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    customer: fc.option(fc.string()),
    amount: fc.bigInt({ min: -(10n ** 28n), max: 10n ** 28n }).map(hundredths),
    raw: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  })
  await fc.assert(
    fc.asyncProperty(values, async (value) => {
      const bytes = await writer.encode(value)
      assert.deepEqual([bytes[0], bytes.readInt32BE(1)], [0, 1])
      assert.deepEqual({ ...(await reader.decode(bytes)) }, { ...value })
    }),
  )
  // Once each: whether it is there, whether it is compatible, registering, and the reader's question.
  assert.deepEqual(
    server.asked.map((one) => one.split('?')[0]),
    [
      'POST /subjects/o-value',
      'POST /compatibility/subjects/o-value/versions/latest',
      'POST /subjects/o-value/versions',
      'GET /schemas/ids/1',
    ],
  )
})

test('messages of an older Avro schema are read as the newer one says', async () => {
  await using server = await SchemaRegistryServer.start()
  const schemas = new Schemas({ url: server.url, retry: QUICK })
  const old = schemas.avro<object>({ subject: 's', schema: ORDER })
  const newer = schemas.avro<object>({
    subject: 's',
    schema: {
      ...ORDER,
      fields: [...ORDER.fields.filter(({ name }) => name !== 'raw'), { name: 'note', type: 'string', default: '-' }],
    },
  })
  const bytes = await old.encode({ id: 7, customer: null, amount: '1.5', raw: Buffer.from('x') })
  assert.deepEqual(
    { ...(await newer.decode(bytes)) },
    { id: 7n, customer: null, amount: new JsonNumber('1.50'), note: '-' },
  )
})

test('JSON is checked both ways and keeps its digits', async () => {
  await using server = await SchemaRegistryServer.start()
  for (const dialect of [undefined, 'https://json-schema.org/draft/2020-12/schema']) {
    const schemas = new Schemas({ url: server.url, retry: QUICK })
    const schema = {
      ...(dialect === undefined ? {} : { $schema: dialect }),
      type: 'object',
      properties: { id: { type: 'integer' }, name: { type: 'string', maxLength: 5 } },
      required: ['id'],
    }
    const codec = schemas.json<{ id: bigint; name?: string }>({ subject: 'j', schema })
    const bytes = await codec.encode({ id: 2n ** 60n })
    assert.deepEqual(await codec.decode(bytes), { id: 2n ** 60n })
    const isTold = (error: Error): boolean => /name/.test(error.message) && !error.message.includes('secret')
    await assert.rejects(async () => codec.encode({ id: 1n, name: 'secret' }), isTold)
    const bad = Buffer.concat([bytes.subarray(0, 5), Buffer.from('{"id":1,"name":"secret"}')])
    await assert.rejects(async () => codec.decode(bad), isTold)
  }
})

test('Protobuf messages come back as they were, by their place in the file', async () => {
  await using server = await SchemaRegistryServer.start()
  const schemas = new Schemas({ url: server.url, retry: QUICK })
  const codec = schemas.protobuf<object>({ subject: 'p', schema: PROTO, message: 'Order' })
  const order = {
    id: 2n ** 62n,
    items: [{ name: 'a', price: -(2n ** 61n) }],
    kind: 'OLD',
    raw: Buffer.from([0, 255]),
    counts: { x: 2n ** 64n - 1n },
  }
  const bytes = await codec.encode(order)
  assert.deepEqual([...bytes.subarray(5, 7)], [2, 2])
  assert.deepEqual(await codec.decode(bytes), order)
  const item = schemas.protobuf<object>({ subject: 'p', schema: PROTO })
  await assert.rejects(async () => item.decode(bytes), { code: 'DECODE', message: /shop\.Order, not a \.?shop\.Item/ })
  for (const wrong of [
    { id: 'x' },
    { id: 2n ** 64n },
    { nothing: 1 },
    { items: {} },
    { kind: 'NONE' },
    { items: [{ name: 3 }] },
  ])
    await assert.rejects(async () => codec.encode(wrong), { code: 'SCHEMA' })
})

test('a schema that the registry does not call compatible, or that is not to be registered, writes nothing', async () => {
  await using server = await SchemaRegistryServer.start()
  const schemas = new Schemas({ url: server.url, retry: QUICK })
  const codec = schemas.json<object>({ subject: 's', schema: { type: 'object' }, register: false })
  await assert.rejects(async () => codec.encode({}), { code: 'SCHEMA', message: /not registered/ })
  server.add('s', { type: 'object' }, 'JSON')
  await codec.encode({})
  server.objections = ['a field is missing']
  const other = schemas.json<object>({ subject: 's', schema: { type: 'object', title: 'other' } })
  await assert.rejects(async () => other.encode({}), { code: 'SCHEMA', message: /a field is missing/ })
  server.objections = []
  await other.encode({})
  assert.equal(server.versions('s').length, 2)
})

test('while the registry is away what is known goes on, and what is not is asked for again and then an error', async () => {
  await using server = await SchemaRegistryServer.start()
  const schemas = new Schemas({ url: server.url, retry: QUICK })
  const codec = schemas.avro<object>({ subject: 's', schema: ORDER })
  const fresh = schemas.avro<object>({ subject: 's', schema: ORDER })
  const order = { id: 1n, customer: 'c', amount: new JsonNumber('0.01'), raw: Buffer.alloc(0) }
  const bytes = await codec.encode(order)
  server.isDown = true
  server.asked.length = 0
  assert.deepEqual({ ...(await codec.decode(await codec.encode(order))) }, order)
  assert.deepEqual(server.asked, [])
  await assert.rejects(async () => fresh.decode(bytes), { code: 'UNAVAILABLE', message: /asked 3 times/ })
  await assert.rejects(async () => fresh.encode(order), { code: 'UNAVAILABLE', message: /asked 3 times/ })
  server.isDown = false
  assert.deepEqual({ ...(await fresh.decode(bytes)) }, order)
  const unknown = Buffer.from(bytes)
  unknown.writeInt32BE(99, 1)
  await assert.rejects(async () => fresh.decode(unknown), { code: 'DECODE', message: /asked 3 times/ })
  await assert.rejects(async () => fresh.decode(Buffer.from('{"id":1}')), { code: 'DECODE', message: /does not begin/ })
  await assert.rejects(async () => fresh.decode(bytes.subarray(0, 6)), { code: 'DECODE' })
})
