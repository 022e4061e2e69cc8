import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32c, crc32cPortable } from './crc32c.ts'

test('the check value of the CRC catalogue comes out', () => {
  const check = Buffer.from('123456789')
  assert.equal(crc32cPortable(check), 0xe3069283)
  assert.equal(crc32c(check), 0xe3069283)
})

test('the portable and the native implementation agree', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => assert.equal(crc32cPortable(bytes), crc32c(bytes))),
  )
})
