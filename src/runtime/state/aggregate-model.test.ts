/** Aggregates over several lanes against a plain model: rows in any order, late rows, crashes, other numbers of lanes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StateByStep } from '../../checkpoint/kept-state.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/lane-database.ts'
import type { Window } from '../../dataplane/index.ts'
import { outcomeOf, type Happening, type Row, type Windows } from '../../testkit/keyed/aggregate-model.ts'
import { AggregateWorld } from '../../testkit/keyed/aggregate-world.ts'
import { MemoryFileStore } from '../../testkit/memory-file-store.ts'

const MINUTE = 60_000_000
const TEN: Window = { kind: 'tumbling', size: 10 * MINUTE, offset: 3 * MINUTE }
const SESSIONS: Window = { kind: 'session', gap: 2 * MINUTE }
const final = (window: Window | undefined, lateness = 0): Windows => ({ window, lateness, isEarly: false })
const WINDOWS: readonly (readonly [name: string, windows: Windows])[] = [
  ['no windows', final(undefined)],
  ['tumbling windows', final(TEN)],
  ['tumbling windows that take late rows', final(TEN, 5 * MINUTE)],
  ['hopping windows', final({ kind: 'hopping', size: 10 * MINUTE, every: 4 * MINUTE, offset: 0 })],
  ['cumulative windows', final({ kind: 'cumulative', size: 12 * MINUTE, every: 4 * MINUTE, offset: 0 })],
  ['sessions', final(SESSIONS)],
  ['sessions that take late rows', final(SESSIONS, 10 * MINUTE)],
  ['sessions that are given early and take late rows', { window: SESSIONS, lateness: 5 * MINUTE, isEarly: true }],
]

type Act =
  | { readonly kind: 'rows'; readonly lane: number; readonly rows: readonly Row[] }
  /** Event time goes on by so many microseconds. */
  | { readonly kind: 'barrier'; readonly by: number | undefined }
  /** What was not published is lost, and read again by so many lanes. */
  | { readonly kind: 'crash'; readonly lanes: number }

const moment = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: -30 * 60, max: 60 * 60 }).map((seconds) => seconds * 1_000_000) },
  { weight: 1, arbitrary: fc.constant(null) },
)
const row: fc.Arbitrary<Row> = fc.record({
  key: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 4 }) }, { weight: 1, arbitrary: fc.constant(null) }),
  at: moment,
  amount: fc.integer({ min: -500, max: 500 }),
})
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('rows'),
      lane: fc.nat(3),
      rows: fc.array(row, { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('barrier'),
      by: fc.option(fc.integer({ min: 0, max: 20 * MINUTE }), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash'), lanes: fc.integer({ min: 1, max: 3 }) }) },
)

const rowsAt = (...seconds: readonly number[]): Act => {
  return { kind: 'rows', lane: 0, rows: seconds.map((second) => ({ key: 0, at: second * 1_000_000, amount: 1 })) }
}
const pass: Act = { kind: 'barrier', by: undefined }
/** A session that is given early, gets a row inside when nothing is given, and then grows. */
const GROWING: Act[] = [rowsAt(0, 60), pass, pass, pass, rowsAt(30), pass, rowsAt(100), pass]

for (const [name, windows] of WINDOWS) {
  test(`${name}: what stands in the end is what a plain model says, over crashes and other numbers of lanes`, async () => {
    await using database = await openLaneDatabase({ memoryLimitBytes: 256 * 1024 * 1024 })
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 14 }), (acts) => play(database, acts, windows)),
      { numRuns: RUNS, examples: [[GROWING]] },
    )
  })
}

test('a result that waits for its time is due then, though nothing is read any more, and also after a start', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 64 * 1024 * 1024 })
  const plan = await AggregateWorld.plan(database, { window: undefined, lateness: 0, isEarly: true })
  const store = new MemoryFileStore()
  const first = await AggregateWorld.start(database, plan, 1, 1, store, undefined)
  const looks = (world: AggregateWorld): boolean => Array.from({ length: 9 }, () => world.isDue).includes(true)
  assert.ok(!looks(first), 'nothing was read')
  await first.read(0, [{ key: 1, at: null, amount: 5 }])
  const parts = await first.barrier(1, undefined, false)
  assert.deepEqual([first.results, looks(first)], [[], true])
  const second = await AggregateWorld.start(database, plan, 1, 2, store, { agg: { definition: 'd', parts } })
  assert.ok(looks(second))
  await second.barrier(2, undefined, false)
  assert.deepEqual([second.results.length, looks(second)], [1, false])
})

const RUNS = process.env['MILLRACE_FULL'] === '1' ? 300 : 10

async function play(database: LaneDatabase, acts: readonly Act[], windows: Windows): Promise<void> {
  const plan = await AggregateWorld.plan(database, windows)
  const store = new MemoryFileStore()
  const visible = new Map<string, string>()
  const happened: Happening[] = []
  let late = 0
  let epoch = 1
  let checkpoint = 1
  let eventTime: bigint | undefined
  let published: { readonly state: StateByStep; readonly happened: number } | undefined
  let world = await AggregateWorld.start(database, plan, 2, epoch, store, undefined)
  const publish = async (isEnd: boolean): Promise<void> => {
    happened.push({ kind: 'barrier', eventTime: eventTime === undefined ? undefined : Number(eventTime), isEnd })
    const parts = await world.barrier(checkpoint++, eventTime, isEnd)
    const time = eventTime === undefined ? {} : { eventTime: String(eventTime) }
    published = { state: { agg: { definition: 'd', ...time, parts } }, happened: happened.length }
    for (const [key, result] of world.results) {
      if (result === undefined) assert.ok(visible.delete(key), 'what is deleted was given')
      else visible.set(key, result)
    }
    late += world.late
    world.results = []
    world.late = 0
  }
  for (const act of acts) {
    if (act.kind === 'rows') {
      happened.push(act)
      await world.read(act.lane, act.rows)
    } else if (act.kind === 'barrier') {
      if (act.by !== undefined) eventTime = (eventTime ?? BigInt(-30 * MINUTE)) + BigInt(act.by)
      await publish(false)
    } else {
      const settled = published?.state['agg']?.eventTime
      eventTime = settled === undefined ? undefined : BigInt(settled)
      const again = happened.splice(published?.happened ?? 0)
      world = await AggregateWorld.start(database, plan, act.lanes, ++epoch, store, published?.state)
      for (const one of again) {
        happened.push(one)
        if (one.kind === 'rows') await world.read(0, one.rows)
      }
    }
  }
  await publish(true)
  const expected = outcomeOf(happened, windows)
  assert.deepEqual([...visible.values()].sort(), expected.results)
  assert.equal(late, expected.late)
}
