import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AbortedTransaction } from './apis/fetch.ts'
import { BatchCursor } from './batch-cursor.ts'
import { encodeBatch, type OutgoingRecord } from './batch-encoder.ts'
import { loadCodec } from './compressors.ts'
import { crc32c } from './crc32c.ts'
import { BATCH, offsetAfter } from './record-batch.ts'
import { isNullAt, RecordTarget } from './record-target.ts'
import { parseHeaders } from './single-record.ts'
import { COMMA, LINE_FEED, ValueTarget } from './value-target.ts'

interface Wanted {
  readonly from?: bigint
  readonly until?: bigint
  readonly aborted?: readonly AbortedTransaction[]
}

function cursorOver(records: Buffer, { from = 0n, until, aborted = [] }: Wanted = {}): BatchCursor {
  const cursor = new BatchCursor()
  cursor.load({ topic: 'orders', partition: 3, records, from, aborted }, until)
  return cursor
}

function valueTarget(
  options: { bytes?: number; rowsMax?: number; separator?: number; isJson?: boolean } = {},
): ValueTarget {
  const { bytes = 4096, rowsMax = 100, separator = LINE_FEED, isJson = false } = options
  // Filled with line feeds, as a recycled buffer is full of old separators.
  return new ValueTarget({ buffer: Buffer.alloc(bytes, LINE_FEED), rowsMax, separator, isJson })
}

function textOf(target: ValueTarget): string {
  return target.buffer.toString('latin1', 0, target.length)
}

function batch(baseOffset: bigint, ...values: (string | null)[]): Buffer {
  return encodeBatch(values.map(record), { baseOffset })
}

function record(value: string | null): OutgoingRecord {
  return { value: value === null ? null : Buffer.from(value), timestampMs: 1000n }
}

/** Changes a batch and makes its checksum fit again. */
function tamper(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  change(bytes)
  bytes.writeUInt32BE(crc32c(bytes.subarray(BATCH.ATTRIBUTES)), BATCH.CRC)
  return bytes
}

function gatherAll(cursor: BatchCursor, target: ValueTarget = valueTarget()): string {
  cursor.gatherValues(target)
  return textOf(target)
}

describe('gathering values', () => {
  test('puts values of all batches behind each other, each with its separator', () => {
    const target = valueTarget({ separator: COMMA })
    const cursor = cursorOver(Buffer.concat([batch(0n, 'a', 'bb'), batch(2n, 'ccc')]))
    assert.equal(cursor.gatherValues(target), 3)
    assert.equal(textOf(target), 'a,bb,ccc,')
    assert.deepEqual([...target.ends.subarray(0, 3)], [1, 4, 8])
    assert.equal(cursor.offset, 3n)
    assert.equal(cursor.isDone, true)
  })

  test('goes on in the middle of a batch when the target was full', () => {
    const cursor = cursorOver(batch(10n, 'one', 'two', 'three'), { from: 10n })
    const target = valueTarget({ rowsMax: 2 })
    assert.equal(gatherAll(cursor, target), 'one\ntwo\n')
    assert.equal(cursor.offset, 12n)
    assert.equal(cursor.isDone, false)
    target.reset()
    assert.equal(gatherAll(cursor, target), 'three\n')
    assert.equal(cursor.offset, 13n)
  })

  test('stops before a value that does not fit and says how large it is', () => {
    const cursor = cursorOver(batch(0n, 'tiny', 'x'.repeat(300)))
    const target = valueTarget({ bytes: 64 })
    assert.equal(gatherAll(cursor, target), 'tiny\n')
    target.reset()
    assert.equal(cursor.gatherValues(target), 0)
    assert.equal(cursor.isDone, false)
    assert.equal(cursor.nextValueBytes(), 300)
    assert.equal(gatherAll(cursor, valueTarget({ bytes: 301 })), `${'x'.repeat(300)}\n`)
  })

  test('passes over records before the wanted offset', () => {
    const cursor = cursorOver(Buffer.concat([batch(0n, 'a', 'b'), batch(2n, 'c', 'd')]), { from: 3n })
    assert.equal(gatherAll(cursor), 'd\n')
    assert.equal(cursor.offset, 4n)
  })

  test('stops at the first offset that is not wanted', () => {
    const cursor = cursorOver(Buffer.concat([batch(0n, 'a', 'b', 'c'), batch(3n, 'd')]), { until: 2n })
    assert.equal(gatherAll(cursor), 'a\nb\n')
    assert.equal(cursor.offset, 2n)
    assert.equal(cursor.isDone, true)
  })

  test('reaches `until` when compaction removed the records before it', () => {
    const compacted = tamper(batch(0n, 'a'), (bytes) => bytes.writeInt32BE(9, BATCH.LAST_OFFSET_DELTA))
    const cursor = cursorOver(compacted, { until: 5n })
    assert.equal(gatherAll(cursor), 'a\n')
    assert.equal(cursor.offset, 5n)
  })

  test('moves past a batch whose records were all compacted away', () => {
    const empty = tamper(batch(4n, 'a').subarray(0, BATCH.RECORDS), (bytes) => {
      bytes.writeInt32BE(BATCH.RECORDS - BATCH.AFTER_LENGTH, BATCH.LENGTH)
      bytes.writeInt32BE(7, BATCH.LAST_OFFSET_DELTA)
      bytes.writeInt32BE(0, BATCH.RECORD_COUNT)
    })
    const cursor = cursorOver(empty, { from: 4n })
    assert.equal(gatherAll(cursor), '')
    assert.equal(cursor.offset, 12n)
    assert.equal(offsetAfter(empty, 4n), 12n)
  })

  test('leaves a last batch that the broker cut off for the next fetch', () => {
    const bytes = Buffer.concat([batch(0n, 'a'), batch(1n, 'b')])
    for (const cut of [1, 10, 68]) {
      const cursor = cursorOver(bytes.subarray(0, bytes.length - cut))
      assert.equal(gatherAll(cursor), 'a\n')
      assert.equal(cursor.offset, 1n)
      assert.equal(cursor.isDone, true)
    }
  })
})

for (const codec of ['gzip', 'zstd', 'snappy', 'lz4'] as const) {
  test(`${codec}: large batches are read in pieces, and their memory is not used after it was given back`, async () => {
    await loadCodec(codec)
    const values = Array.from({ length: 3000 }, (_, at) => `${at}-${'x'.repeat(200)}`)
    const halves = [values.slice(0, 2000), values.slice(2000)]
    const batches = halves.map((half, at) => encodeBatch(half.map(record), { codec, baseOffset: BigInt(at * 2000) }))
    const cursor = cursorOver(Buffer.concat(batches))
    const target = valueTarget({ bytes: 64 << 10, rowsMax: 1000 })
    let text = ''
    while (!cursor.isDone) {
      cursor.gatherValues(target)
      text += textOf(target)
      target.reset()
    }
    assert.equal(text, values.map((value) => `${value}\n`).join(''))
    assert.equal(cursor.offset, 3000n)
  })
}

describe('values that lines cannot hold', () => {
  test('a line feed in JSON becomes a blank', () => {
    const target = valueTarget({ isJson: true })
    assert.equal(gatherAll(cursorOver(batch(0n, '{"a":\n1}', '{\n"b":2}')), target), '{"a": 1}\n{ "b":2}\n')
  })

  test('a line feed elsewhere is poison; what came before is kept and what follows can be read', () => {
    const cursor = cursorOver(batch(7n, 'a', 'b', 'bro\nken', 'c'), { from: 7n })
    const target = valueTarget()
    assert.throws(() => cursor.gatherValues(target), {
      code: 'POISON',
      detail: { topic: 'orders', partition: 3, offset: '9', reason: 'line break' },
    })
    assert.equal(textOf(target), 'a\nb\n')
    assert.equal(cursor.offset, 9n)
    assert.equal(cursor.skip().value?.toString(), 'bro\nken')
    assert.equal(gatherAll(cursor, target), 'a\nb\nc\n')
    assert.equal(cursor.offset, 11n)
  })

  test('null and empty values are poison with their offset', () => {
    for (const [value, reason] of [
      [null, 'null value'],
      ['', 'empty value'],
    ] as const) {
      const cursor = cursorOver(batch(5n, 'a', value, 'b'), { from: 5n })
      const target = valueTarget({ separator: COMMA })
      assert.throws(() => cursor.gatherValues(target), {
        code: 'POISON',
        detail: { topic: 'orders', partition: 3, offset: '6', reason },
      })
      assert.equal(textOf(target), 'a,')
      cursor.skip()
      assert.equal(gatherAll(cursor, target), 'a,b,')
    }
  })
})

describe('damage', () => {
  const cases: [what: string, bytes: Buffer][] = [
    ['a flipped bit', Buffer.from(batch(0n, 'abc')).fill(0xff, 70, 71)],
    ['an unknown message format', Buffer.from(batch(0n, 'abc')).fill(1, BATCH.MAGIC, BATCH.MAGIC + 1)],
    [
      'a length that is smaller than the header',
      Buffer.from(batch(0n, 'abc')).fill(0, BATCH.LENGTH, BATCH.AFTER_LENGTH),
    ],
    ['an unknown codec', tamper(batch(0n, 'abc'), (bytes) => bytes.writeInt16BE(5, BATCH.ATTRIBUTES))],
    [
      'a record count that is too small',
      tamper(batch(0n, 'a', 'b'), (bytes) => bytes.writeInt32BE(1, BATCH.RECORD_COUNT)),
    ],
    [
      'a record count that is too large',
      tamper(batch(0n, 'a', 'b'), (bytes) => bytes.writeInt32BE(3, BATCH.RECORD_COUNT)),
    ],
    [
      'records behind the last offset',
      tamper(batch(0n, 'a', 'b'), (bytes) => bytes.writeInt32BE(0, BATCH.LAST_OFFSET_DELTA)),
    ],
  ]
  for (const [what, bytes] of cases) {
    test(`${what} is a DECODE error with its place`, () => {
      assert.throws(
        () => cursorOver(bytes).gatherValues(valueTarget()),
        (error: unknown) => {
          assert.ok(error instanceof Error && 'code' in error && 'detail' in error)
          assert.equal(error.code, 'DECODE')
          assert.match(error.message, /orders partition 3 at offset \d/)
          return true
        },
      )
    })
  }
})

describe('gathering whole records', () => {
  const records: OutgoingRecord[] = [
    {
      key: Buffer.from('k1'),
      value: Buffer.from('v1'),
      timestampMs: 1_700_000_000_000n,
      headers: [{ key: 'h', value: Buffer.from('x') }],
    },
    { key: null, value: null, timestampMs: 1_699_999_999_999n },
    { key: Buffer.from(''), value: Buffer.from('v3'), timestampMs: 2n ** 62n, headers: [{ key: 'h', value: null }] },
  ]

  function recordTarget(rowsMax = 10): RecordTarget {
    const sizes = { keyBytesMax: 16, headerBytesMax: 64, keepsNulls: true }
    return new RecordTarget({
      buffer: Buffer.alloc(1024, LINE_FEED),
      rowsMax,
      separator: LINE_FEED,
      isJson: false,
      ...sizes,
    })
  }

  test('knows the newest timestamp of the batch that it is in, where there is one', () => {
    const cursor = cursorOver(encodeBatch(records.slice(0, 2), { baseOffset: 100n }), { from: 100n })
    assert.equal(cursor.newestMs, undefined)
    cursor.gatherRecords(recordTarget())
    assert.equal(cursor.newestMs, 1_700_000_000_000)
    const timeless = cursorOver(encodeBatch([{ key: null, value: null, timestampMs: -1n }], { baseOffset: 7n }), {
      from: 7n,
    })
    timeless.gatherRecords(recordTarget())
    assert.equal(timeless.newestMs, undefined)
  })

  test('keeps offsets, timestamps, keys, headers and which values are null', () => {
    const target = recordTarget()
    cursorOver(encodeBatch(records, { baseOffset: 100n }), { from: 100n }).gatherRecords(target)
    assert.equal(textOf(target), 'v1\n\nv3\n')
    assert.deepEqual([...target.offsets.subarray(0, 3)], [100n, 101n, 102n])
    assert.deepEqual(
      [...target.timestamps.subarray(0, 3)],
      records.map(({ timestampMs }) => timestampMs),
    )
    assert.deepEqual(
      [0, 1, 2].map((row) => target.nulls !== undefined && isNullAt({ nulls: target.nulls }, row)),
      [false, true, false],
    )
    const { keys, headers } = target
    assert.ok(keys !== undefined && headers !== undefined)
    assert.deepEqual(
      [0, 1, 2].map((row) => isNullAt(keys, row)),
      [false, true, false],
    )
    assert.equal(keys.bytes.toString('utf8', 0, keys.length), 'k1')
    const headersOf = (row: number): Buffer =>
      headers.bytes.subarray(row === 0 ? 0 : headers.ends[row - 1], headers.ends[row])
    assert.deepEqual(parseHeaders(headersOf(0)), [{ key: 'h', value: Buffer.from('x') }])
    assert.deepEqual(parseHeaders(headersOf(1)), [])
    assert.deepEqual(parseHeaders(headersOf(2)), [{ key: 'h', value: null }])
  })

  test('goes on in the middle and starts clean after a reset', () => {
    const cursor = cursorOver(encodeBatch(records))
    const target = recordTarget(2)
    assert.equal(cursor.gatherRecords(target), 2)
    target.reset()
    assert.equal(cursor.gatherRecords(target), 1)
    assert.equal(textOf(target), 'v3\n')
    assert.equal(target.offsets[0], 2n)
    assert.ok(target.nulls !== undefined && !isNullAt({ nulls: target.nulls }, 1))
  })

  test('a key that is larger than its column still comes through', () => {
    const cursor = cursorOver(encodeBatch([{ key: Buffer.alloc(50, 'k'), value: Buffer.from('v') }]))
    const target = recordTarget()
    assert.equal(cursor.gatherRecords(target), 1)
    assert.equal(target.keys?.length, 50)
  })

  test('takes the time of the broker when the topic says so', () => {
    const bytes = tamper(encodeBatch(records), (batch) => {
      batch.writeInt16BE(0x08, BATCH.ATTRIBUTES)
      batch.writeBigInt64BE(42n, BATCH.MAX_TIMESTAMP)
    })
    const target = recordTarget()
    cursorOver(bytes).gatherRecords(target)
    assert.deepEqual([...target.timestamps.subarray(0, 3)], [42n, 42n, 42n])
  })
})
