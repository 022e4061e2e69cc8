import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideRoutes, type AllRoutes, type RouteOptions, type ValueRate } from './decide-routes.ts'

const TWO: RouteOptions = { lanes: 2, enough: Number.POSITIVE_INFINITY }

/** Bytes that each lane writes if lanes follow the routes. */
function written(rates: readonly ValueRate[], routes: AllRoutes, lanes: number): number[] {
  const load = Array.from({ length: lanes }, () => 0)
  for (const { value, read } of rates) {
    read.forEach((bytes, lane) => {
      const route = routes.get(value)?.[lane]
      assert.ok(route !== undefined)
      const shares = typeof route === 'number' ? load.map((_, to) => (to === route ? 1 : 0)) : route
      assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9, 'shares add up to one')
      for (const share of shares) assert.ok(share >= 0)
      shares.forEach((share, to) => (load[to] = (load[to] ?? 0) + share * bytes))
    })
  }
  return load
}

function isScattered(routes: AllRoutes, value: string): boolean {
  return typeof routes.get(value)?.[0] !== 'number'
}

test('nine tenths of all rows in one value are written by both lanes alike, without moving a row of it', () => {
  const rates = [
    { value: 'hot', read: [45, 45] },
    { value: 'a', read: [1, 1] },
    { value: 'b', read: [1, 1] },
    { value: 'c', read: [1, 1] },
    { value: 'd', read: [2, 2] },
  ]
  const routes = decideRoutes(rates, new Map(), TWO)
  assert.deepEqual(routes.get('hot'), [
    [1, 0],
    [0, 1],
  ])
  for (const value of ['a', 'b', 'c', 'd']) assert.ok(!isScattered(routes, value))
  for (const load of written(rates, routes, 2)) assert.ok(Math.abs(load - 50) <= 5)
})

test('a hot value that one lane reads alone is shared out to all of them', () => {
  const rates = [{ value: 'hot', read: [90, 0, 0] }]
  const routes = decideRoutes(rates, new Map(), { ...TWO, lanes: 3 })
  for (const load of written(rates, routes, 3)) assert.ok(Math.abs(load - 30) < 1e-9)
})

test('a value becomes hot late and cool later, so that it does not go to and fro', () => {
  const at = (hot: number): ValueRate[] => [
    { value: 'hot', read: [hot / 2, hot / 2] },
    ...Array.from({ length: 10 }, (_, each) => ({ value: `cold ${each}`, read: [5, 5] })),
  ]
  let routes: AllRoutes = new Map()
  const seen = [150, 180, 150, 90].map((rate) => {
    routes = decideRoutes(at(rate), routes, TWO)
    return isScattered(routes, 'hot')
  })
  assert.deepEqual(seen, [false, true, true, false])
})

test('of as many values as lanes and one more, only the last is scattered', () => {
  const rates = Array.from({ length: 9 }, (_, each) => ({ value: `v${each}`, read: [10, 10, 10, 10, 0, 0, 0, 0] }))
  const routes = decideRoutes(rates, new Map(), { ...TWO, lanes: 8 })
  assert.equal(rates.filter(({ value }) => isScattered(routes, value)).length, 1)
  for (const load of written(rates, routes, 8)) assert.ok(load <= 45 * 1.25)
})

test('a value that fills files in every lane stays where it is read', () => {
  const rates = Array.from({ length: 8 }, (_, each) => ({ value: `v${each}`, read: [100, 100] }))
  const stays = decideRoutes(rates, new Map(), { lanes: 2, enough: 90 })
  for (const { value } of rates) assert.ok(isScattered(stays, value))
  const moves = decideRoutes(rates, new Map(), { lanes: 2, enough: 110 })
  for (const { value } of rates) assert.ok(!isScattered(moves, value))
})

const measured = fc.integer({ min: 1, max: 6 }).chain((lanes) =>
  fc.record({
    lanes: fc.constant(lanes),
    reads: fc.array(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: lanes, maxLength: lanes }), {
      minLength: 1,
      maxLength: 30,
    }),
  }),
)

test('no lane gets much more than its share, and the same rates again change no lane', () => {
  fc.assert(
    fc.property(measured, ({ lanes, reads }) => {
      const rates = reads.map((read, value) => ({ value: String(value), read }))
      const options = { ...TWO, lanes }
      const routes = decideRoutes(rates, new Map(), options)
      const total = reads.flat().reduce((sum, bytes) => sum + bytes, 0)
      // Whole values fill a lane to 1.25 shares at most, and of what is scattered it may keep a tenth more.
      if (total > 0) for (const load of written(rates, routes, lanes)) assert.ok(load <= (total / lanes) * 1.35 + 1e-6)
      assert.deepEqual([...decideRoutes(rates, routes, options)], [...routes])
    }),
    { numRuns: 500 },
  )
})
