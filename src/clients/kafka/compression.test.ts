import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import fc from 'fast-check'
import { CODECS, Decompressor } from './compression.ts'
import { decompressLz4Frame } from './lz4.ts'
import { decompressSnappy } from './snappy.ts'

/** Repetitions near and far, overlapping ones included. Never empty: wasm-utils, which encodes here, fails on that. */
const compressible = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 400 })), {
    minLength: 1,
    maxLength: 30,
  })
  .map((parts) => Buffer.concat(parts.map(([bytes, times]) => Buffer.concat(Array<Uint8Array>(times).fill(bytes)))))

for (const codec of CODECS) {
  test(`${codec}: what an independent encoder wrote comes back`, () => {
    const decompressor = new Decompressor()
    fc.assert(
      fc.property(compressible, (bytes) => {
        const packed = compressionsAlgorithms[codec].compressSync(bytes)
        assert.ok(decompressor.decompress(codec, packed).equals(bytes))
      }),
    )
  })
}

test('snappy in the framing of the Java clients comes back', () => {
  const parts = [Buffer.from('abc'.repeat(1000)), Buffer.from('the end')]
  const chunks = parts.flatMap((part) => {
    const packed = compressionsAlgorithms.snappy.compressSync(part)
    const size = Buffer.alloc(4)
    size.writeInt32BE(packed.length)
    return [size, packed]
  })
  const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
  assert.ok(decompressSnappy(Buffer.concat([header, ...chunks]), 1 << 20).equals(Buffer.concat(parts)))
})

test('output over the limit is refused, not allocated', () => {
  const large = Buffer.alloc(1 << 20)
  assert.throws(() => decompressLz4Frame(compressionsAlgorithms.lz4.compressSync(large), 1 << 19), RangeError)
  assert.throws(() => decompressSnappy(compressionsAlgorithms.snappy.compressSync(large), 1 << 19), RangeError)
})

test('a decompression bomb is refused', () => {
  const zeros = Buffer.alloc(160 << 20)
  const decompressor = new Decompressor()
  assert.throws(() => decompressor.decompress('zstd', zstdCompressSync(zeros)), { code: 'ERR_BUFFER_TOO_LARGE' })
  assert.throws(() => decompressor.decompress('gzip', gzipSync(zeros, { level: 1 })), { code: 'ERR_BUFFER_TOO_LARGE' })
})

test('bytes of another format are an error for every codec', () => {
  const foreign = deflateSync(Buffer.from('not what the attributes say'))
  for (const codec of CODECS) {
    if (codec !== 'none') assert.throws(() => new Decompressor().decompress(codec, foreign))
  }
})

test('damaged LZ4 and snappy end with an error or with output within the limit', () => {
  const text = Buffer.from('some text, some text, some more text; '.repeat(60))
  for (const [codec, decompress] of [
    ['lz4', decompressLz4Frame],
    ['snappy', decompressSnappy],
  ] as const) {
    const packed = compressionsAlgorithms[codec].compressSync(text)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const damaged = Buffer.from(packed)
          for (const [at, value] of changes) damaged[at] = value
          try {
            assert.ok(decompress(damaged, 1 << 16).length <= 1 << 16)
          } catch (error) {
            assert.ok(error instanceof RangeError, String(error))
          }
        },
      ),
      { numRuns: 1000 },
    )
  }
})
