import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mostUrgent, shortest, type PartDowntime } from './expiry.ts'

const SINK: PartDowntime = { part: 'out', kind: 'sink', ms: 100, what: 'prepared transactions' }
const SOURCE: PartDowntime = { part: 'rows', kind: 'source', ms: 300, what: 'records' }
const PARTS = [SOURCE, SINK]

test('the part with the shortest time limits the downtime', () => {
  assert.equal(shortest(PARTS), SINK)
  assert.equal(shortest([]), undefined)
})

test('a running job uses up its time only while something is pending', () => {
  assert.equal(mostUrgent(PARTS, { pendingMs: undefined, downMs: undefined }, 1000), undefined)
  const states = [49, 50, 99, 100].map(
    (used) => mostUrgent(PARTS, { pendingMs: 1000, downMs: undefined }, 1000 + used)?.state,
  )
  assert.deepEqual(states, ['fine', 'half', 'half', 'over'])
})

test('a job that is down without anything pending depends on its sources only', () => {
  const aging = mostUrgent(PARTS, { pendingMs: undefined, downMs: 0 }, 200)
  assert.deepEqual(aging, { ...SOURCE, usedMs: 200, state: 'half' })
  assert.equal(mostUrgent([SINK], { pendingMs: undefined, downMs: 0 }, 200), undefined)
})

test('the part with the least time left is the most urgent one', () => {
  assert.equal(mostUrgent(PARTS, { pendingMs: 0, downMs: 0 }, 150)?.part, 'out')
  assert.equal(mostUrgent([{ ...SINK, ms: 1000 }, SOURCE], { pendingMs: 0, downMs: 0 }, 250)?.part, 'rows')
})

test('a clock that went back uses up nothing', () => {
  assert.equal(mostUrgent(PARTS, { pendingMs: 1000, downMs: undefined }, 0)?.usedMs, 0)
})
