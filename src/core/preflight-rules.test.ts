import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAtLeast, DELIVERY_CLASSES, weakest, type Delivery } from './delivery.ts'
import { labelHistoryMs, openTransactionMs, preparedMs, retentionMs, safeDowntime } from './preflight-rules.ts'

const MINUTE = 60_000
const times = { intervalMs: 10_000, timeoutMs: 10 * MINUTE, maxDowntimeMs: 60 * MINUTE, retained: 3 }

test('what has to survive how long', () => {
  assert.equal(openTransactionMs(times), 10_000 + 15 * MINUTE)
  assert.equal(preparedMs(times), 75 * MINUTE)
  assert.equal(labelHistoryMs(times), 65 * MINUTE)
  assert.equal(retentionMs(times), 65 * MINUTE + 30_000)
})

test('the safe downtime is exactly the one that every rule still allows', () => {
  const life = fc.integer({ min: 0, max: 1000 * MINUTE })
  fc.assert(
    fc.property(life, life, life, (prepared, label, retention) => {
      const expiries = [
        { what: 'prepared', kind: 'prepared', lifeMs: prepared },
        { what: 'label', kind: 'label', lifeMs: label },
        { what: 'retention', kind: 'retention', lifeMs: retention },
      ] as const
      const { ms: maxDowntimeMs = -1, what } = safeDowntime(times, expiries) ?? {}
      assert.deepEqual(
        safeDowntime(
          times,
          expiries.filter((one) => one.what === what),
        ),
        { ms: maxDowntimeMs, what },
      )
      const holds = (downtime: number): boolean => {
        const asked = { ...times, maxDowntimeMs: downtime }
        return preparedMs(asked) <= prepared && labelHistoryMs(asked) <= label && retentionMs(asked) <= retention
      }
      assert.ok(!holds(maxDowntimeMs + 1))
      if (maxDowntimeMs > 0) assert.ok(holds(maxDowntimeMs))
    }),
  )
})

test('nothing limits how long a job is down where nothing expires', () => {
  assert.equal(safeDowntime(times, []), undefined)
})

test('a path promises what its weakest link does, on everybody’s assumptions', () => {
  const link = fc.record({
    class: fc.constantFrom(...DELIVERY_CLASSES),
    reason: fc.string(),
    assumptions: fc.array(fc.constantFrom('a', 'b', 'c')),
  })
  fc.assert(
    fc.property(fc.array(link), (links: Delivery[]) => {
      const path = weakest(links)
      assert.ok(links.every((one) => isAtLeast(one.class, path.class)))
      assert.ok(links.length === 0 || links.some((one) => one.class === path.class))
      assert.deepEqual(new Set(path.assumptions), new Set(links.flatMap((one) => one.assumptions)))
    }),
  )
})
