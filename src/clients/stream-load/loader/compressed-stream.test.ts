import assert from 'node:assert/strict'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { test } from 'node:test'
import type { LoadStream } from '../outcomes.ts'
import { compressLoad } from './compressed-stream.ts'
import { FramedLoad, JSON_ARRAY } from './framed-load.ts'

/** A load that keeps what it is given. */
function keepingLoad(): { load: LoadStream<string>; body(): Buffer } {
  const chunks: Buffer[] = []
  const load: LoadStream<string> = {
    label: 'test',
    outcome: Promise.resolve('loaded'),
    write: async (chunk) => void chunks.push(Buffer.from(chunk)),
    end: async () => 'loaded',
    destroy: () => undefined,
  }
  return { load, body: () => Buffer.concat(chunks) }
}

for (const [compression, unpack] of [
  ['gzip', gunzipSync],
  ['zstd', zstdDecompressSync],
] as const) {
  test(`a body packed with ${compression} unpacks to the framed rows, whole and in order`, async () => {
    const { load, body } = keepingLoad()
    const framed = new FramedLoad(compressLoad(load, compression), JSON_ARRAY)
    const expected: string[] = []
    for (let piece = 0; piece < 50; piece++) {
      const rows = Array.from({ length: 200 }, (_, row) => `{"id":${piece * 200 + row}}`)
      expected.push(...rows)
      const buffer = Buffer.from(`${rows.join(',')},`)
      await framed.write({ buffer, length: buffer.length, rows: rows.length }, () => buffer.fill(0))
    }
    assert.equal(await framed.end(), 'loaded')
    assert.equal(unpack(body()).toString(), `[${expected.join(',')}]`)
  })
}
