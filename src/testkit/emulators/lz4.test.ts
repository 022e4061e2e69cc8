import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decompressLz4Frames } from './lz4.ts'

const HEADER = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]
const END = [0, 0, 0, 0]

function block(bytes: readonly number[], isStored = false): number[] {
  return [bytes.length, 0, 0, isStored ? 0x80 : 0, ...bytes]
}

test('literals, overlapping matches, stored blocks and several frames are decompressed', () => {
  // Three literals, nine bytes from three back, five literals.
  const packed = [0x35, ...Buffer.from('abc'), 3, 0, 0x50, ...Buffer.from('hello')]
  const first = [...HEADER, ...block(packed), ...block([...Buffer.from('stored')], true), ...END]
  const second = [...HEADER, ...block([0x1f, 0x78, 1, 0, 20, 0x10, 0x79]), ...END]
  const text = decompressLz4Frames(Buffer.from([...first, ...second])).toString()
  assert.equal(text, `abcabcabcabchellostored${'x'.repeat(1 + 15 + 20 + 4)}y`)
})

test('what is not a whole LZ4 frame is refused', () => {
  for (const bytes of [
    [1, 2, 3, 4, 5, 6, 7],
    HEADER,
    [...HEADER, 9, 0, 0, 0, 1],
    [...HEADER, ...block([0x00, 9, 0]), ...END],
  ]) {
    assert.throws(() => decompressLz4Frames(Buffer.from(bytes)), /LZ4/)
  }
})
