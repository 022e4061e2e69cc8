import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BatchBuilder, emptyParts, encodeHeaders } from './batch-builder.ts'
import { BatchCursor } from './batch-cursor.ts'
import { encodeBatch, type OutgoingRecord } from './batch-encoder.ts'
import { loadCodec } from './compressors.ts'
import { RecordTarget } from './record-target.ts'
import { parseHeaders } from './single-record.ts'

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const record = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  timestampMs: fc.oneof(
    fc.integer({ min: 0, max: 2_000 }),
    fc.maxSafeInteger().filter((ms) => ms >= 0),
  ),
  headers: fc.array(fc.tuple(fc.string({ maxLength: 8 }), fc.option(bytes)), { maxLength: 3 }),
})
type Input = typeof record extends fc.Arbitrary<infer T> ? T : never

/** All records as the encoder of whole objects writes them. */
function expected(records: readonly Input[]): OutgoingRecord[] {
  return records.map(({ key, value, timestampMs, headers }) => ({
    key,
    value,
    timestampMs: BigInt(timestampMs),
    headers: headers.map(([name, content]) => ({ key: name, value: content })),
  }))
}

function addAll(builder: BatchBuilder, records: readonly Input[]): void {
  const parts = emptyParts()
  for (const { key, value, timestampMs, headers } of records) {
    // In the middle of a larger buffer, as records lie in batches.
    const around = Buffer.concat([
      Buffer.from('..'),
      key ?? Buffer.alloc(0),
      value ?? Buffer.alloc(0),
      Buffer.from('..'),
    ])
    parts.key = parts.value = around
    parts.keyFrom = 2
    parts.keyTo = key === null ? -1 : 2 + key.length
    parts.valueFrom = 2 + (key?.length ?? 0)
    parts.valueTo = value === null ? -1 : parts.valueFrom + value.length
    parts.headers = encodeHeaders(headers)
    parts.headersTo = parts.headers.length
    parts.timestampMs = timestampMs
    assert.ok(builder.add(parts))
  }
}

test('a batch of parts is byte for byte the batch of the same records', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 40 }), (records) => {
      const builder = new BatchBuilder(1 << 16)
      addAll(builder, records)
      assert.deepEqual(builder.seal({}), encodeBatch(expected(records), {}))
    }),
  )
})

test('values with one time are byte for byte the batch of the same records, also after a reset', () => {
  fc.assert(
    fc.property(fc.array(bytes, { minLength: 1, maxLength: 200 }), (values) => {
      const builder = new BatchBuilder(1 << 17)
      for (let turn = 0; turn < 2; turn++) {
        for (const value of values) assert.ok(builder.addValue(value, 0, value.length, 5))
        const records = values.map((value) => ({ value, timestampMs: 5n }))
        assert.deepEqual(builder.seal({}), encodeBatch(records, {}))
        builder.reset()
      }
    }),
  )
})

test('every codec gives the records back', async () => {
  const value = Buffer.from('{"id":1}')
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    await loadCodec(codec)
    const builder = new BatchBuilder(1 << 12)
    for (let row = 0; row < 50; row++) assert.ok(builder.addValue(value, 0, value.length, 1000 + row))
    const target = new RecordTarget({ buffer: Buffer.alloc(4096), rowsMax: 100, separator: 10, isJson: true })
    const cursor = new BatchCursor()
    cursor.load({ topic: 't', partition: 0, records: builder.seal({ codec }), from: 0n, aborted: [] })
    assert.equal(cursor.gatherRecords(target), 50, codec)
    assert.deepEqual([...target.timestamps.subarray(0, 2), target.timestamps[49]], [1000n, 1001n, 1049n])
  }
})

test('a batch that is full takes no more, and a record that is larger than a batch goes alone', () => {
  const builder = new BatchBuilder(1024)
  const large = Buffer.alloc(5000, 'x')
  assert.ok(builder.addValue(large, 0, 5000, 0))
  assert.equal(builder.addValue(large, 0, 5000, 0), false)
  assert.equal(builder.count, 1)
  assert.equal(builder.seal({}).length, encodeBatch([{ value: large, timestampMs: 0n }]).length)
})

test('headers come back as they were', () => {
  const headers = [
    ['traceparent', Buffer.from('00-ü')],
    ['none', null],
    ['', Buffer.alloc(0)],
  ] as const
  const back = parseHeaders(encodeHeaders(headers)).map(({ key, value }) => [key, value])
  assert.deepEqual(back, headers)
})
