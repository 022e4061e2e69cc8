import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FrameAssembler } from './frames.ts'

interface Frame {
  readonly id: number
  readonly body: Uint8Array
}

function wire(frames: readonly Frame[]): Buffer {
  return Buffer.concat(
    frames.map(({ id, body }) => {
      const head = Buffer.alloc(8)
      head.writeInt32BE(body.length + 4, 0)
      head.writeInt32BE(id, 4)
      return Buffer.concat([head, body])
    }),
  )
}

function assembler(onFrame: (id: number, frame: Buffer) => void, frameBytesMax = 1 << 20): FrameAssembler {
  // Memory that is larger than asked for, as recycled memory is.
  return new FrameAssembler({ frameBytesMax, allocate: (_, size) => Buffer.alloc(size + 13), onFrame })
}

test('frames come out whole, however the stream is cut', () => {
  const frame = fc.record(
    { id: fc.nat(), body: fc.uint8Array({ maxLength: 40_000, size: 'max' }) },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1 }),
      (frames, cuts) => {
        const got: Frame[] = []
        const reader = assembler((id, bytes) => got.push({ id, body: new Uint8Array(bytes.subarray(4)) }))
        const bytes = wire(frames)
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const end = at + (cuts[cut % cuts.length] ?? 1)
          reader.push(bytes.subarray(at, end))
          at = end
        }
        assert.deepEqual(got, frames)
      },
    ),
    { numRuns: 50 },
  )
})

test('a length that no response has is refused before memory is taken', () => {
  for (const size of [-1, 0, 3, 1 << 30]) {
    const head = Buffer.alloc(8)
    head.writeInt32BE(size)
    assert.throws(() => assembler(() => assert.fail('no frame is complete')).push(head), { code: 'UNAVAILABLE' })
  }
})
