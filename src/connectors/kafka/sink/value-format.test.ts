import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { parseColumnType, type Column } from '../../../dataplane/types.ts'
import { SchemaRegistryServer } from '../../../testkit/schema-registry.ts'
import { kafkaSinkOptions, type KafkaSinkOptions } from './options.ts'
import { checkValueFormat, openValueFormat } from './value-format.ts'

const COLUMNS: readonly Column[] = [{ name: 'id', type: parseColumnType('bigint'), nullable: false }]
const AVRO = JSON.stringify({ type: 'record', name: 'orders', fields: [{ name: 'id', type: 'long' }] })
const PROTO = 'syntax = "proto3"; message Other {} message Order { int64 id = 1; message Line { int64 id = 2; } }'

function options(more: object): KafkaSinkOptions {
  return kafkaSinkOptions.parse({ brokers: ['localhost:9092'], topic: 'orders', format: 'avro', ...more })
}

test('a check registers nothing, and tells what the registry has against the schema', async () => {
  await using registry = await SchemaRegistryServer.start()
  const given = options({ registry: { url: registry.url } })
  // A subject without versions takes everything.
  await checkValueFormat(given, COLUMNS, '/')
  registry.add('orders-value', { type: 'record', name: 'orders', fields: [] })
  registry.objections = ['READER_FIELD_MISSING_DEFAULT_VALUE']
  await assert.rejects(checkValueFormat(given, COLUMNS, '/'), { code: 'SCHEMA', message: /orders-value: READER_FIELD/ })
  await assert.rejects(openValueFormat(given, COLUMNS, '/'), { code: 'SCHEMA', message: /READER_FIELD/ })
  registry.objections = []
  assert.equal(registry.versions('orders-value').length, 1)
  await openValueFormat(given, COLUMNS, '/')
  assert.deepEqual(registry.versions('orders-value').slice(1), [AVRO])
})

test('without registering, the newest schema of the subject is used, or the one of the file has to be there', async () => {
  await using registry = await SchemaRegistryServer.start()
  const given = { registry: { url: registry.url }, register: false, subject: 'clicks' }
  await assert.rejects(openValueFormat(options(given), COLUMNS, '/'), { code: 'DECODE', message: /clicks/ })
  registry.add('clicks', AVRO)
  const { head } = await openValueFormat(options(given), COLUMNS, '/')
  assert.deepEqual([...head], [0, 0, 0, 0, 1])

  const directory = await mkdtemp(path.join(tmpdir(), 'millrace-avsc-'))
  try {
    await writeFile(path.join(directory, 'order.proto'), PROTO)
    const file = options({ ...given, format: 'protobuf', schemaFile: 'order.proto', message: 'Order.Line' })
    await assert.rejects(openValueFormat(file, COLUMNS, directory), {
      code: 'SCHEMA',
      message: /order\.proto is not registered/,
    })
    registry.add('clicks', PROTO, 'PROTOBUF')
    // Id 2; two numbers, 1 and 0.
    assert.deepEqual([...(await openValueFormat(file, COLUMNS, directory)).head], [0, 0, 0, 0, 2, 4, 2, 0])
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('a registry that is down is waited for, not an error of the data', async () => {
  await using registry = await SchemaRegistryServer.start()
  registry.isDown = true
  const given = options({ registry: { url: registry.url } })
  await assert.rejects(openValueFormat(given, COLUMNS, '/'), { code: 'UNAVAILABLE', retry: 'restart' })
})

test('options that say nothing together are refused', () => {
  for (const more of [
    { format: 'json', registry: { url: 'http://localhost' } },
    { register: false },
    { subject: 's' },
    { message: 'M' },
    { table: 'a.b' },
  ])
    assert.throws(() => options(more), /custom/)
})
