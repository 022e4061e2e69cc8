import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur3, parseTransform } from './partition-transform.ts'
import type { Scalar } from './scalar.ts'
import type { IcebergType } from './types.ts'

/** apache/iceberg format/spec.md, "Appendix B: 32-bit Hash Requirements". */
const HASHES: readonly [what: string, bytes: string, hash: number][] = [
  ['int and long 34', '2200000000000000', 2_017_239_379],
  ['decimal 14.20', '058c', -500_754_589],
  ['string iceberg', Buffer.from('iceberg').toString('hex'), 1_210_000_089],
  ['uuid', 'f79c3e09677c4bbda4793f349cb785e7', 1_488_055_340],
  ['bytes', '00010203', -188_683_207],
]
for (const [what, bytes, hash] of HASHES) {
  test(`the hash of ${what} is the one of the specification`, () => {
    assert.equal(murmur3(Buffer.from(bytes, 'hex')), hash)
  })
}

const CASES: readonly [transform: string, type: IcebergType, value: Scalar, expected: Scalar | undefined][] = [
  ['identity', { kind: 'int' }, 7n, 7n],
  ['truncate[10]', { kind: 'int' }, -1n, -10n],
  ['truncate[10]', { kind: 'int' }, 19n, 10n],
  ['truncate[3]', { kind: 'string' }, Buffer.from('😀éabc'), Buffer.from('😀éa')],
  ['truncate[2]', { kind: 'binary' }, Buffer.from('0102', 'hex'), Buffer.from('0102', 'hex')],
  ['bucket[16]', { kind: 'long' }, 34n, BigInt((2_017_239_379 & 0x7fffffff) % 16)],
  ['bucket[16]', { kind: 'decimal', precision: 9, scale: 2 }, 1420n, BigInt((-500_754_589 & 0x7fffffff) % 16)],
  ['bucket[16]', { kind: 'double' }, 1.5, undefined],
  ['year', { kind: 'date' }, -1n, -1n],
  ['month', { kind: 'date' }, 31n, 1n],
  ['day', { kind: 'timestamp' }, -1n, -1n],
  ['hour', { kind: 'timestamptz' }, 7_200_000_000n, 2n],
  ['hour', { kind: 'date' }, 1n, undefined],
]
for (const [transform, type, value, expected] of CASES) {
  test(`${transform} of ${String(value)} (${type.kind}) is ${String(expected)}`, () => {
    assert.deepEqual(parseTransform(transform)?.apply(value, type), expected)
  })
}

test('transforms that nobody knows, and void, tell nothing', () => {
  assert.equal(parseTransform('void'), undefined)
  assert.equal(parseTransform('zorder[3]'), undefined)
})
