import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OffsetTracker } from './offset-tracker.ts'

test('the position is the first message that is not handled, in whatever order they are handled', () => {
  const gaps = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3000 })
  fc.assert(
    fc.property(gaps, fc.integer(), (steps, seed) => {
      let offset = 10n
      const offsets = steps.map((step) => (offset += BigInt(step)))
      const tracker = new OffsetTracker(10n)
      for (let at = 0; at < offsets.length; at += 100)
        tracker.received(BigInt64Array.from(offsets.slice(at, at + 100)), Math.min(100, offsets.length - at))
      const order = offsets.toSorted(
        (a, b) => Number((a * BigInt(seed | 1)) % 101n) - Number((b * BigInt(seed | 1)) % 101n),
      )
      const done = new Set<bigint>()
      for (const one of order) {
        tracker.handled(one)
        done.add(one)
        const first = offsets.findIndex((each) => !done.has(each))
        const expected = first === 0 ? 10n : (first < 0 ? (offsets.at(-1) ?? 0n) : (offsets[first - 1] ?? 0n)) + 1n
        if (done.size % 97 === 0 || first < 0) assert.equal(tracker.position, expected)
      }
      assert.equal(tracker.open, 0)
      tracker.passed(offset + 50n)
      assert.equal(tracker.position, offset + 50n)
    }),
    { numRuns: 30 },
  )
})

test('handling one and all before it moves the position there, and gaps are only passed when nothing is open', () => {
  const tracker = new OffsetTracker(0n)
  tracker.received(BigInt64Array.of(0n, 1n, 2n, 5n, 99n), 4)
  tracker.handledUpTo(2n)
  assert.deepEqual([tracker.position, tracker.open], [3n, 1])
  tracker.passed(9n)
  assert.equal(tracker.position, 3n)
  tracker.handled(5n)
  assert.deepEqual([tracker.position, tracker.open], [6n, 0])
})
