import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from '../../../core/batch.ts'
import type { Schema } from '../../../core/schema.ts'
import {
  BatchBuilder,
  BatchCursor,
  isNullAt,
  parseHeaders,
  partitionOfKey,
  RecordTarget,
} from '../../../clients/kafka/index.ts'
import { openLaneDatabase } from '../../../dataplane/index.ts'
import { SchemaRegistryServer } from '../../../testkit/schema-registry.ts'
import { isBinary, kafkaSinkOptions } from './options.ts'
import { PartitionRouter } from './partition-router.ts'
import { recordSql } from './record-columns.ts'
import { TableEncoder } from './table-encoder.ts'
import { openValueFormat } from './value-format.ts'

const PARTITIONS = 5
const NOW = 1_700_000_000_000
const BASIC = { brokers: ['localhost:9092'], topic: 't' }

interface Seen {
  readonly partition: number
  readonly key: Buffer | null
  readonly value: string | null
  readonly headers: Readonly<Record<string, string | null>>
  readonly timestamp: number
}

const ROWS: Schema = [
  { name: 'id', type: 'bigint', nullable: true },
  { name: 'name', type: 'varchar', nullable: true },
  { name: 'amount', type: 'decimal(20,4)', nullable: true },
  { name: 'part', type: 'integer', nullable: true },
  { name: 'at', type: 'timestamp(6)', nullable: true },
  { name: 'head', type: 'varchar', nullable: true },
  { name: 'bin', type: 'blob', nullable: true },
  { name: '__op', type: 'tinyint', nullable: true },
]

async function encode(options: object, values: string): Promise<Seen[]> {
  await using database = await openLaneDatabase({ memoryLimitBytes: 1 << 28 })
  const names = ROWS.map(({ name }) => `"${name}"`).join(', ')
  const typed = ROWS.map(({ name, type }) => `"${name}" ${type === 'timestamp(6)' ? 'timestamp' : type}`).join(', ')
  await database.run(`CREATE TEMP TABLE given (${typed})`)
  await database.run(`INSERT INTO given (${names}) VALUES ${values}`)
  const [[count]] = (await database.run('SELECT count(*) FROM given')) as [[bigint]]
  const seen: Seen[] = []
  const router = new PartitionRouter({
    partitions: PARTITIONS,
    first: 2,
    takeBuilder: () => new BatchBuilder(1 << 16),
    ship: (partition, builder) => seen.push(...recordsOf(partition, builder)),
  })
  const parsed = kafkaSinkOptions.parse({ ...BASIC, ...options })
  const sql = recordSql(parsed, ROWS)
  assert.ok('value' in sql)
  const format = isBinary(parsed) ? await openValueFormat(parsed, sql.valueColumns, '/') : undefined
  const encoder = new TableEncoder(database, ROWS, parsed, format)
  const body = { kind: 'table', relation: 'given', schema: ROWS } as const
  const place = { split: 's', from: {}, next: {}, bytes: 0, release: () => undefined }
  const batch: Batch = { kind: 'batch', body, rows: Number(count), ...place }
  try {
    await encoder.encode(batch, router, NOW)
    router.flush()
  } finally {
    encoder.close()
  }
  return seen
}

function recordsOf(partition: number, builder: BatchBuilder): Seen[] {
  const room = { keyBytesMax: 1 << 16, headerBytesMax: 1 << 16, keepsNulls: true }
  const target = new RecordTarget({
    buffer: Buffer.alloc(1 << 16),
    rowsMax: 4000,
    separator: 0,
    isJson: false,
    ...room,
  })
  const cursor = new BatchCursor()
  cursor.load({ topic: 't', partition, records: Buffer.from(builder.seal({})), from: 0n, aborted: [] })
  cursor.gatherRecords(target)
  const { keys, headers, nulls, buffer, ends, timestamps } = target
  assert.ok(keys !== undefined && headers !== undefined && nulls !== undefined)
  const before = (all: Uint32Array, row: number, gap: number): number => (row === 0 ? 0 : (all[row - 1] ?? 0) + gap)
  return Array.from({ length: target.rows }, (_, row) => ({
    partition,
    key: isNullAt(keys, row) ? null : Buffer.from(keys.bytes.subarray(before(keys.ends, row, 0), keys.ends[row])),
    value: isNullAt({ nulls }, row) ? null : buffer.toString('utf8', before(ends, row, 1), ends[row]),
    headers: Object.fromEntries(
      parseHeaders(headers.bytes.subarray(before(headers.ends, row, 0), headers.ends[row])).map(({ key, value }) => [
        key,
        value?.toString() ?? null,
      ]),
    ),
    timestamp: Number(timestamps[row]),
  }))
}

const row = (
  id: string,
  rest: Partial<Record<'name' | 'amount' | 'part' | 'at' | 'head' | 'bin' | 'op', string>> = {},
): string =>
  `(${id}, ${rest.name ?? 'NULL'}, ${rest.amount ?? 'NULL'}, ${rest.part ?? 'NULL'}, ${rest.at ?? 'NULL'}, ${rest.head ?? 'NULL'}, ${rest.bin ?? 'NULL'}, ${rest.op ?? 'NULL'})`

test('the value is the row as JSON with exact numbers, and the key decides the partition as in Java', async () => {
  const [one] = await encode(
    { key: 'name', value: ['id', 'amount', 'name'] },
    row('9007199254740993', { name: `'a b\nc\x02"ü'`, amount: '1234567890123456.7890' }),
  )
  const key = Buffer.from('a b\nc\x02"ü')
  assert.equal(one?.value, '{"id":9007199254740993,"amount":1234567890123456.7890,"name":"a b\\nc\\u0002\\"ü"}')
  assert.deepEqual([one?.key, one?.partition], [key, partitionOfKey(PARTITIONS, key)])
  assert.equal(one?.timestamp, NOW)
})

test('several key columns make a JSON object, and a NULL key is no key', async () => {
  const two = await encode({ key: ['id', 'name'], value: 'id' }, row('1', { name: `'x'` }))
  assert.equal(two[0]?.key?.toString(), '{"id":1,"name":"x"}')
  const none = await encode({ key: 'name', value: 'id' }, row('1'))
  assert.deepEqual([none[0]?.key, none[0]?.partition], [null, 2])
})

test('partition, headers and time come from columns', async () => {
  const seen = await encode(
    { partition: 'part', headers: 'head', timestamp: 'at', value: ['id'] },
    [
      row('1', { part: '4', head: `'{"trace":"ab c","none":null}'`, at: `'2024-05-06 07:08:09.123456'` }),
      row('2', { part: '0', at: `'1970-01-01 00:00:00'` }),
      row('3', { head: `'{}'` }),
    ].join(', '),
  )
  const byValue = new Map(seen.map((record) => [record.value, record]))
  const first = byValue.get('{"id":1}')
  assert.deepEqual(first?.headers, { trace: 'ab c', none: null })
  assert.deepEqual([first?.partition, first?.timestamp], [4, Date.UTC(2024, 4, 6, 7, 8, 9, 123)])
  assert.deepEqual([byValue.get('{"id":2}')?.partition, byValue.get('{"id":2}')?.timestamp], [0, 0])
  assert.deepEqual([byValue.get('{"id":3}')?.partition, byValue.get('{"id":3}')?.timestamp], [2, NOW])
})

test('raw values and keys keep every byte', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const bin = `from_hex('${bytes.toString('hex')}')`
  const [blob] = await encode({ format: 'raw', value: 'name', key: 'bin' }, row('1', { name: `'\n\n x'`, bin }))
  assert.deepEqual([blob?.key, blob?.value], [bytes, '\n\n x'])
  const [none] = await encode({ format: 'raw', value: 'bin', key: 'name' }, row('1', { name: `''` }))
  assert.deepEqual([none?.key, none?.value], [Buffer.alloc(0), null])
})

test('a deletion of a keyed row is a record without a value, and __op is not in the others', async () => {
  const seen = await encode({ key: 'id' }, [row('1', { op: '1' }), row('2', { op: '0' }), row('3')].join(', '))
  const values = new Map(seen.map(({ key, value }) => [key?.toString(), value]))
  assert.equal(values.get('1'), null)
  for (const id of ['2', '3']) {
    assert.equal((JSON.parse(values.get(id) ?? '') as { id: number }).id, Number(id))
    assert.ok(!values.get(id)?.includes('__op'))
  }
})

test('Avro values begin with the id of their schema, and a deletion of a keyed row is a tombstone', async () => {
  await using registry = await SchemaRegistryServer.start()
  registry.add('others', { type: 'record', name: 'Other', fields: [] })
  const options = { format: 'avro', key: 'id', value: ['name', 'id'], registry: { url: registry.url } }
  const seen = await encode(options, [row('3', { name: `'a b\n'` }), row('4', { op: '1' })].join(', '))
  const values = new Map(seen.map(({ key, value }) => [key?.toString(), value]))
  // Id 2, the second branch of the union, four bytes of text, the second branch, 3.
  assert.equal(values.get('3'), '\0\0\0\0\x02\x02\x08a b\n\x02\x06')
  assert.equal(values.get('4'), null)
  const fields = [
    { name: 'name', type: ['null', 'string'], default: null },
    { name: 'id', type: ['null', 'long'], default: null },
  ]
  assert.deepEqual(registry.versions('t-value'), [JSON.stringify({ type: 'record', name: 't', fields })])
})

test('Protobuf values without a registry are the bare message', async () => {
  const [one] = await encode({ format: 'protobuf', value: ['id', 'name'] }, row('3', { name: `'ab'` }))
  assert.equal(one?.value, '\x08\x03\x12\x02ab')
})

test('Debezium’s envelope has the row behind a change, or before its deletion, and its key as an object', async () => {
  const options = { format: 'debezium-json', key: 'id', value: ['id', 'amount'], table: 'shop.orders' }
  const seen = await encode(
    options,
    [row('1', { amount: '12345678901234.5', op: '0' }), row('2', { op: '1' })].join(', '),
  )
  const values = new Map(seen.map(({ key, value }) => [key?.toString(), value ?? '']))
  const [put, gone] = [values.get('{"id":1}') ?? '', values.get('{"id":2}') ?? '']
  assert.match(
    put,
    /^\{"before":null,"after":\{"id":1,"amount":12345678901234.5000\},"source":.*"op":"c","ts_ms":\d{13}\}$/,
  )
  const { before, after, op, source } = JSON.parse(gone) as Record<string, Record<string, unknown>>
  assert.deepEqual([before, after, op], [{ id: 2, amount: null }, null, 'd'])
  assert.deepEqual([source?.['db'], source?.['table']], ['shop', 'orders'])
})

test('what no record can carry is poison, without the value in the message', async () => {
  const cases: readonly (readonly [object, string])[] = [
    [{ partition: 'part', value: 'id' }, row('1', { part: '5' })],
    [{ partition: 'part', value: 'id' }, row('1', { part: '-1' })],
    [{ timestamp: 'at', value: 'id' }, row('1', { at: `'1969-12-31 23:59:59'` })],
    [{ headers: 'head', value: 'id' }, row('1', { head: `'secret'` })],
    [{ headers: 'head', value: 'id' }, row('1', { head: `'["secret"]'` })],
    [{ headers: 'head', value: 'id' }, row('1', { head: `'{"secret":1}'` })],
  ]
  for (const [options, values] of cases) {
    await assert.rejects(encode(options, values), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'POISON')
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  }
})

test('a batch has the rows in their order, over many batches', async () => {
  const seen = await encode({ value: 'id' }, Array.from({ length: 3000 }, (_, id) => row(String(id))).join(', '))
  assert.deepEqual(
    seen.map(({ value }) => value),
    Array.from({ length: 3000 }, (_, id) => `{"id":${id}}`),
  )
})
