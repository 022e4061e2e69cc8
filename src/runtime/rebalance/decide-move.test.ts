import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideMove, type Move, type Skew, type SplitLoad } from './decide-move.ts'

/** What is decided at barriers with the same loads, until a split moves. */
function untilMove(loads: readonly SplitLoad[], lanes: number, barriers: number): Move | undefined {
  let skew: Skew | undefined
  for (let barrier = 0; barrier < barriers; barrier++) {
    const decided = decideMove(loads, lanes, skew)
    if (decided.move !== undefined) return decided.move
    skew = decided.skew
  }
  return undefined
}

const BUSY = [
  { split: 'a', lane: 0, bytes: 60 },
  { split: 'b', lane: 0, bytes: 40 },
  { split: 'c', lane: 1, bytes: 10 },
]

test('a lane that reads too much for long gives the split away that evens it out best', () => {
  assert.equal(untilMove(BUSY, 2, 2), undefined)
  assert.deepEqual(untilMove(BUSY, 2, 3), { split: 'b', from: 0, to: 1 })
})

test('a burst in between begins the patience anew', () => {
  const calm = BUSY.map((load) => ({ ...load, bytes: load.lane === 1 ? 100 : 50 }))
  let skew: Skew | undefined
  for (const loads of [BUSY, BUSY, calm, BUSY, BUSY]) {
    const decided = decideMove(loads, 2, skew)
    assert.equal(decided.move, undefined)
    skew = decided.skew
  }
})

test('barriers at which nothing was told do not interrupt the patience', () => {
  const silent = BUSY.map((load) => ({ ...load, bytes: 0 }))
  let skew: Skew | undefined
  let moved = 0
  for (const loads of [BUSY, silent, BUSY, silent, silent, BUSY]) {
    const decided = decideMove(loads, 2, skew)
    if (decided.move !== undefined) moved += 1
    skew = decided.skew
  }
  assert.equal(moved, 1)
})

test('a split that would only take the load with it stays', () => {
  const single = [
    { split: 'a', lane: 0, bytes: 100 },
    { split: 'b', lane: 1, bytes: 5 },
  ]
  assert.equal(untilMove(single, 2, 10), undefined)
  assert.equal(untilMove([], 2, 10), undefined)
})

test('moves come to an end, and none makes the fullest lane fuller', () => {
  const cases = fc.integer({ min: 2, max: 5 }).chain((lanes) =>
    fc.record({
      lanes: fc.constant(lanes),
      splits: fc.array(fc.record({ lane: fc.nat(lanes - 1), bytes: fc.nat(1000) }), { maxLength: 20 }),
    }),
  )
  fc.assert(
    fc.property(cases, ({ lanes, splits }) => {
      let loads: SplitLoad[] = splits.map((split, at) => ({ split: `s${at}`, ...split }))
      const fullest = (): number =>
        Math.max(...Array.from({ length: lanes }, (_, lane) => sum(loads.filter((load) => load.lane === lane))))
      for (let moves = 0; ; moves++) {
        const move = untilMove(loads, lanes, 3)
        if (move === undefined) return
        assert.ok(moves < 100, 'splits go round in a circle')
        const before = fullest()
        assert.equal(loads.find(({ split }) => split === move.split)?.lane, move.from)
        loads = loads.map((load) => (load.split === move.split ? { ...load, lane: move.to } : load))
        assert.ok(fullest() <= before)
      }
    }),
  )
})

function sum(loads: readonly SplitLoad[]): number {
  return loads.reduce((total, { bytes }) => total + bytes, 0)
}
