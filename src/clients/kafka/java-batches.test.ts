/** Batches that Apache Kafka's own console producer (4.1) wrote with each codec, as a broker stored them: 60 records each. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { MillraceError } from '../../core/errors.ts'
import { BatchCursor } from './batch-cursor.ts'
import { CODECS } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { BATCH } from './record-batch.ts'
import { RecordTarget } from './record-target.ts'
import { parseHeaders } from './single-record.ts'
import { LINE_FEED, ValueTarget } from './value-target.ts'

const fixtures = CODECS.map((codec) => ({
  codec,
  bytes: readFileSync(new URL(`../../../test/fixtures/kafka/java-${codec}.bin`, import.meta.url)),
}))

const expected = Array.from({ length: 60 }, (_, id) => ({
  key: `key-${id % 7}`,
  headers: [
    { key: 'trace', value: Buffer.from(String(id)) },
    { key: 'kind', value: Buffer.from('a') },
  ],
  value: JSON.stringify({ id, name: 'name '.repeat(id % 9) + id * id, note: 'abcdefgh'.repeat(id % 5) }),
}))

const lines = expected.map(({ value }) => `${value}\n`).join('')

function load(records: Buffer): BatchCursor {
  const cursor = new BatchCursor()
  cursor.load({ topic: 'java', partition: 0, records, from: 0n, aborted: [] })
  return cursor
}

function gather(records: Buffer): string {
  const target = new ValueTarget({ buffer: Buffer.alloc(64 << 10), rowsMax: 1000, separator: LINE_FEED, isJson: true })
  load(records).gatherValues(target)
  return target.buffer.toString('utf8', 0, target.length)
}

for (const { codec, bytes } of fixtures) {
  test(`${codec}: the values are those that were produced`, () => assert.equal(gather(bytes), lines))

  test(`${codec}: keys, headers and offsets are those that were produced`, () => {
    const target = new RecordTarget({
      buffer: Buffer.alloc(64 << 10),
      rowsMax: 100,
      separator: LINE_FEED,
      isJson: true,
      keyBytesMax: 4096,
      headerBytesMax: 4096,
    })
    assert.equal(load(bytes).gatherRecords(target), 60)
    const { keys, headers } = target
    assert.ok(keys !== undefined && headers !== undefined)
    const cell = (column: { bytes: Buffer; ends: Uint32Array }, row: number): Buffer =>
      column.bytes.subarray(row === 0 ? 0 : column.ends[row - 1], column.ends[row])
    expected.forEach((record, row) => {
      assert.equal(target.offsets[row], BigInt(row))
      assert.equal(cell(keys, row).toString(), record.key)
      assert.deepEqual(parseHeaders(cell(headers, row)), record.headers)
    })
  })
}

/** Whatever the bytes: records that were produced, or a DECODE error; never a crash, an endless loop or invented rows. */
function readDamaged(bytes: Buffer): string | undefined {
  try {
    return gather(bytes)
  } catch (error) {
    assert.ok(error instanceof MillraceError, String(error))
    assert.ok(error.code === 'DECODE' || error.code === 'POISON', error.message)
    return undefined
  }
}

const fixture = fc.constantFrom(...fixtures)

test('a response that ends anywhere gives whole batches or nothing', () => {
  fc.assert(
    fc.property(fixture, fc.nat(), ({ bytes }, cut) => {
      assert.equal(readDamaged(bytes.subarray(0, cut % bytes.length)), '')
    }),
  )
})

test('a flipped bit is noticed', () => {
  fc.assert(
    fc.property(fixture, fc.nat(), ({ bytes }, bit) => {
      const damaged = Buffer.from(bytes)
      // The checksum covers what follows it; the fields before it are changed by brokers.
      const at = BATCH.CRC + ((bit >>> 3) % (bytes.length - BATCH.CRC))
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit & 7))
      assert.equal(readDamaged(damaged), undefined)
    }),
  )
})

test('damage below a checksum that matches never crashes, loops or grows without bound', () => {
  const change = fc.tuple(fc.nat(), fc.nat(255))
  fc.assert(
    fc.property(fixture, fc.array(change, { minLength: 1, maxLength: 8 }), ({ bytes }, changes) => {
      const damaged = Buffer.from(bytes)
      for (const [position, value] of changes)
        damaged[BATCH.ATTRIBUTES + (position % (bytes.length - BATCH.ATTRIBUTES))] = value
      damaged.writeUInt32BE(crc32c(damaged.subarray(BATCH.ATTRIBUTES)), BATCH.CRC)
      readDamaged(damaged)
    }),
    { numRuns: 1000 },
  )
})
