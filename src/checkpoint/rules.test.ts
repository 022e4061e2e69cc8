import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addAccounting, assertBalanced, NOTHING } from './accounting.ts'
import { backoffMs, COMMIT_BACKOFF, RESTART_BACKOFF } from './backoff.ts'
import { afterCommit, afterEvidence } from './outcome.ts'
import { checkpointPauseMs, FIRST_CHECKPOINT_MS } from './schedule.ts'

test('what was read and copied is written, filtered or dead-lettered; one row off halts the job', () => {
  const count = fc.nat({ max: 1e9 })
  fc.assert(
    fc.property(count, count, count, count, (written, filtered, deadLettered, copied) => {
      const read = written + filtered + deadLettered
      const balanced = addAccounting(
        { ...NOTHING, read, copied },
        { ...NOTHING, written: written + copied, filtered, deadLettered },
      )
      assertBalanced(balanced, 7)
      for (const off of [-1, 1]) {
        for (const key of ['read', 'copied', 'written', 'filtered', 'deadLettered'] as const) {
          const wrong = { ...balanced, [key]: balanced[key] + off }
          assert.throws(() => assertBalanced(wrong, 7), { code: 'ACCOUNTING', retry: 'halt' })
        }
      }
    }),
  )
})

test('pauses grow to their limit, jittered downwards only', () => {
  const random = fc.double({ min: 0, max: 0.999, noNaN: true })
  fc.assert(
    fc.property(
      fc.constantFrom(RESTART_BACKOFF, COMMIT_BACKOFF),
      fc.integer({ min: 1, max: 5000 }),
      random,
      (options, n, r) => {
        const pause = backoffMs(n, options, r)
        assert.ok(pause <= options.maxMs && pause >= 0.8 * Math.min(options.maxMs, options.firstMs) - 1)
        assert.ok(backoffMs(n + 1, options, r) >= pause)
      },
    ),
  )
  assert.equal(backoffMs(1, RESTART_BACKOFF, 0), 1000)
})

test('the first checkpoint of a run is soon, the later ones grow to the interval', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 9, 40].map((ordinal) => checkpointPauseMs(ordinal, 1500)),
    [200, 400, 800, 1500, 1500, 1500],
  )
  assert.equal(checkpointPauseMs(0, 50), 50)
  assert.equal(FIRST_CHECKPOINT_MS, 200)
})

test('every outcome of a commit has one consequence, and none of them is to go on without knowing', () => {
  assert.deepEqual(afterCommit({ outcome: 'committed' }), { do: 'done', already: false })
  assert.deepEqual(afterCommit({ outcome: 'already-committed' }), { do: 'done', already: true })
  assert.deepEqual(afterCommit({ outcome: 'retry', reason: 'r' }), { do: 'retry', reason: 'r' })
  assert.deepEqual(afterCommit({ outcome: 'unknown', reason: 'r' }), { do: 'ask-evidence', reason: 'r' })
  assert.deepEqual(afterCommit({ outcome: 'lost', reason: 'r', expired: true }), { do: 'ask-evidence', reason: 'r' })
})

test('every evidence has one consequence', () => {
  assert.deepEqual(afterEvidence({ state: 'committed' }), { do: 'done', already: true })
  assert.equal(afterEvidence({ state: 'committable' }).do, 'retry')
  const codes = [
    afterEvidence({ state: 'lost', reason: 'r', expired: false }),
    afterEvidence({ state: 'lost', reason: 'r', expired: true }),
    afterEvidence({ state: 'unknown', reason: 'r' }),
  ].map((decision) => decision.do === 'remedy' && decision.code)
  assert.deepEqual(codes, ['PREPARED_LOST', 'PREPARED_EXPIRED', 'OUTCOME_UNKNOWN'])
})
