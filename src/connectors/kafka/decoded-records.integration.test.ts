import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import avsc from 'avsc'
import protobuf from 'protobufjs'
import { useKafka } from '../../../scripts/services/kafka.ts'
import { KafkaAdmin, KafkaClient, PartitionProducer } from '../../clients/kafka/index.ts'
import { testLaneContext } from '../../testkit/lane-context.ts'
import { recordsOf } from '../../testkit/read-splits.ts'
import { SchemaRegistryServer } from '../../testkit/schema-registry.ts'
import { kafkaSourceOptions } from './options.ts'
import { KafkaSource } from './source.ts'
import { decodedColumns } from './value-decoder.ts'

const broker = await useKafka()
const { bootstrap } = broker

after(() => broker[Symbol.asyncDispose]())

function encoded(id: number, schema: object, value: unknown): Buffer {
  const head = Buffer.alloc(5)
  head.writeInt32BE(id, 1)
  return Buffer.concat([head, avsc.Type.forSchema(schema as avsc.Schema).toBuffer(value)])
}

const record = (name: string, ...fields: readonly object[]): object => ({ type: 'record', name, fields })
const field = (name: string, type: unknown, more: object = {}): object => ({ name, type, ...more })

async function rowsOf(options: object, messages: readonly { key?: Buffer; value: Buffer | null }[]): Promise<string[]> {
  await using client = new KafkaClient({ brokers: [bootstrap] })
  const topic = `avro-${randomUUID()}`
  await new KafkaAdmin(client).createTopic(topic, 1, {})
  await new PartitionProducer(client).send({ topic, partition: 0 }, messages)
  const source = new KafkaSource(
    kafkaSourceOptions.parse({ brokers: [bootstrap], topics: [topic], end: 'latest', ...options }),
  )
  const enumerator = source.enumerator()
  const reader = source.reader(testLaneContext({ tables: 'tables' in options }))
  try {
    reader.assign(await enumerator.discover(new Set(), true))
    const rows: string[] = []
    const signal = AbortSignal.timeout(20_000)
    for (let isOver = false; !isOver && !signal.aborted;) {
      for (const item of await reader.poll(signal)) {
        if (item.kind === 'split-end') isOver = true
        if (item.kind === 'schema-change') rows.push(`${item.events.map(({ kind }) => kind).join()} ${item.table.id}`)
        if (item.kind !== 'batch') continue
        rows.push(...recordsOf(item))
        item.release()
      }
    }
    return rows
  } finally {
    await reader.close()
    await enumerator.close()
  }
}

test('Avro rows of several versions of their schema, each asked for once; the newest one names the columns', async () => {
  const first = record('Click', field('id', 'long'), field('name', ['null', 'string']))
  const second = record(
    'Click',
    field('id', 'long'),
    field('price', { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 }),
  )
  await using registry = await SchemaRegistryServer.start()
  registry.add('clicks-value', second)
  registry.add('clicks-value', first)
  // A length of ten looks like a line feed.
  const messages = [
    { value: encoded(2, first, { id: 10, name: 'abcde' }) },
    { value: encoded(1, second, { id: 5, price: Buffer.from([1, 0xf4]) }) },
    { value: encoded(2, first, { id: -1, name: null }) },
  ]
  assert.deepEqual(await rowsOf({ format: 'avro', registry: { url: registry.url } }, messages), [
    '{"id":10,"name":"abcde"}',
    '{"id":5,"price":"5.00"}',
    '{"id":-1,"name":null}',
  ])
  assert.deepEqual(registry.asked, ['GET /schemas/ids/2', 'GET /schemas/ids/1'])
  const options = { brokers: [bootstrap], topics: ['clicks'], format: 'avro', registry: { url: registry.url } }
  assert.deepEqual(await decodedColumns(kafkaSourceOptions.parse(options), '/'), [
    { name: 'id', type: 'bigint', nullable: false },
    { name: 'name', type: 'varchar', nullable: true },
  ])
})

const PROTO = 'syntax = "proto3"; message Other {} message Click { int64 id = 1; message Part { string name = 2; } }'

test('Protobuf rows of any message of their schema, with a registry and from a file', async () => {
  await using registry = await SchemaRegistryServer.start()
  registry.add('clicks-value', PROTO, 'PROTOBUF')
  const messages = protobuf.parse(PROTO).root
  const bytes = (name: string, value: object): Uint8Array => messages.lookupType(name).encode(value).finish()
  const framed = (indexes: number[], body: Uint8Array): { value: Buffer } => {
    return { value: Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), Buffer.from(indexes), body]) }
  }
  // Two numbers, 1 and 0: the first message in the second one. A single zero: the first one.
  const values = [
    framed([4, 2, 0], bytes('Click.Part', { name: 'ü' })),
    framed([2, 2], bytes('Click', { id: 7 })),
    framed([0], Buffer.alloc(0)),
  ]
  const rows = await rowsOf({ format: 'protobuf', registry: { url: registry.url } }, values)
  assert.deepEqual(rows, ['{"name":"ü"}', '{"id":7}', '{}'])

  const directory = await mkdtemp(path.join(tmpdir(), 'millrace-proto-'))
  try {
    const schemaFile = path.join(directory, 'click.proto')
    await writeFile(schemaFile, PROTO)
    const options = { format: 'protobuf', schemaFile, message: 'Click' }
    // A message whose fields all have their defaults is written as no byte at all.
    const plain = [{ value: Buffer.from(bytes('Click', { id: 9 })) }, { value: Buffer.from(bytes('Click', {})) }]
    assert.deepEqual([await rowsOf(options, plain), plain[1]?.value.length], [['{"id":9}', '{"id":0}'], 0])
    await assert.rejects(rowsOf(options, [{ value: null }]), { code: 'POISON', message: /no value/ })
    await assert.rejects(rowsOf(options, [{ value: Buffer.from([0x08]) }]), { code: 'POISON', retry: 'halt' })
    const parsed = kafkaSourceOptions.parse({ brokers: [bootstrap], topics: ['clicks'], ...options })
    assert.deepEqual(await decodedColumns(parsed, '/'), [{ name: 'id', type: 'bigint', nullable: false }])
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('what does not begin with the id of a schema halts, and so does an id that the registry does not know', async () => {
  await using registry = await SchemaRegistryServer.start()
  const options = { format: 'avro', registry: { url: registry.url } }
  await assert.rejects(rowsOf(options, [{ value: Buffer.from('{"id":1}') }]), { code: 'POISON', retry: 'halt' })
  await assert.rejects(rowsOf(options, [{ value: Buffer.alloc(0) }]), { code: 'POISON', retry: 'halt' })
  await assert.rejects(rowsOf(options, [{ value: Buffer.from([0, 0, 0, 0, 9, 2]) }]), { code: 'DECODE', retry: 'halt' })
})

test('Debezium in Avro becomes changes of its tables', async () => {
  const row = record(
    'Value',
    field('id', 'long'),
    field('at', ['null', { type: 'long', 'connect.name': 'io.debezium.time.MicroTimestamp' }]),
  )
  const source = record('Source', field('db', 'string'), field('table', ['null', 'string']))
  const envelope = record(
    'Envelope',
    field('before', ['null', row]),
    field('after', ['null', 'Value']),
    field('source', source),
    field('op', 'string'),
  )
  const key = record('Key', field('id', 'long'))
  await using registry = await SchemaRegistryServer.start()
  registry.add('orders-value', envelope)
  registry.add('orders-key', key)
  const message = (op: string, id: number, before: unknown, after: unknown): { key: Buffer; value: Buffer } => {
    const value = { before, after, source: { db: 'shop', table: 'orders' }, op }
    return { key: encoded(2, key, { id }), value: encoded(1, envelope, value) }
  }
  const rows = await rowsOf({ format: 'debezium-avro', tables: ['shop\\..*'], registry: { url: registry.url } }, [
    message('c', 1, null, { id: 1, at: 1 }),
    message('u', 1, null, { id: 1, at: null }),
    message('d', 1, null, null),
  ])
  assert.deepEqual(rows, [
    'create shop.orders',
    '{"id":1,"at":"1970-01-01 00:00:00.000001","__op":0}',
    '{"id":1,"at":null,"__op":0}',
    '{"id":1,"__op":1}',
  ])
})
