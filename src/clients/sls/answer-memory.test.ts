import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decompressLz4Block } from '../../core/lz4-block.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../testkit/emulators/sls/log-group.ts'
import { compressLz4Block } from '../../testkit/emulators/sls/lz4-compress.ts'
import { AnswerMemory } from './answer-memory.ts'
import { countGroups } from './count-groups.ts'
import { WireReader } from './wire-reader.ts'

const opened = AnswerMemory.open()
assert.ok(opened)
const memory: AnswerMemory = opened

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ minLength: 120, maxLength: 300 }))
const pairs = fc.array(fc.tuple(text, text), { maxLength: 5 })
const timeNs = fc.option(fc.nat(999_999_999), { nil: 0 })
const log = fc.record({ time: fc.nat(0xffff_ffff), contents: pairs, timeNs })
const group = fc.record({ topic: text, tags: pairs, logs: fc.array(log, { maxLength: 5 }) })
const lists = fc.array(group, { maxLength: 5 }).map((all) => encodeLogGroupList(all.map(encodeLogGroup)))
/** Bytes that repeat themselves at all distances, as LZ4 likes them. */
const repeating = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(30)), { maxLength: 8 })
  .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes))))
/** Changes some bytes, and perhaps cuts off the end. */
const damage = fc.tuple(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.nat(40))
function damaged(whole: Buffer, [changes, cut]: typeof damage extends fc.Arbitrary<infer T> ? T : never): Buffer {
  const copy = Buffer.from(whole.subarray(0, Math.max(0, whole.length - (cut > 20 ? 0 : cut))))
  for (const [place, byte] of changes) if (copy.length > 0) copy[place % copy.length] = byte
  return copy
}

/** What the long way makes of a block; undefined where it is refused. */
function unpackedLongWay(body: Buffer, length: number): Buffer | undefined {
  const raw = Buffer.alloc(length)
  try {
    return decompressLz4Block(body, raw, 0) === length ? raw : undefined
  } catch {
    return undefined
  }
}

function countedLongWay(raw: Buffer): number | undefined {
  const wire = new WireReader()
  wire.bytes = raw
  try {
    return countGroups(wire, raw.length)
  } catch {
    return undefined
  }
}

test('lists of groups are unpacked to the byte and counted', () => {
  fc.assert(
    fc.property(lists, (list) => {
      const raw = Buffer.alloc(list.length)
      const counted = memory.unpackLz4(compressLz4Block(list), raw)
      assert.ok(raw.equals(list))
      assert.equal(counted, countedLongWay(list))
      assert.equal(memory.count(list), counted)
    }),
  )
})

test('blocks of any distance, and damaged ones, are unpacked as on the long way or left to it', () => {
  const blocks = fc.oneof(lists, repeating)
  fc.assert(
    fc.property(blocks, damage, (block, how) => {
      const body = damaged(compressLz4Block(block), how)
      const raw = Buffer.alloc(block.length)
      const counted = memory.unpackLz4(body, raw)
      if (counted === undefined) return
      const long = unpackedLongWay(body, block.length)
      assert.ok(long !== undefined && raw.equals(long))
      assert.equal(counted, countedLongWay(long))
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(repeating, (bytes) => {
      const raw = Buffer.alloc(bytes.length)
      memory.unpackLz4(compressLz4Block(bytes), raw)
      assert.ok(raw.equals(bytes))
    }),
  )
})

test('what is counted of a damaged list is what the long way counts', () => {
  fc.assert(
    fc.property(fc.oneof(lists, fc.uint8Array({ maxLength: 60 }).map(Buffer.from)), damage, (whole, how) => {
      const list = damaged(whole, how)
      const counted = memory.count(list)
      if (counted !== undefined) assert.equal(counted, countedLongWay(list))
    }),
    { numRuns: 3000 },
  )
})
