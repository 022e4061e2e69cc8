import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2, partitionOfKey } from './murmur2.ts'

/** From Apache Kafka's own test (UtilsTest.testMurmur2). */
const JAVA: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

test('keys hash as in the Java client', () => {
  for (const [key, hash] of JAVA) assert.equal(murmur2(Buffer.from(key)), hash, key)
})

test('a key in the middle of a buffer hashes as it does alone, to a partition that exists', () => {
  for (const [key, hash] of JAVA) {
    const around = Buffer.from(`..${key}..`)
    assert.equal(murmur2(around, 2, 2 + key.length), hash)
    assert.equal(partitionOfKey(7, around, 2, 2 + key.length), (hash & 0x7fffffff) % 7)
  }
})
