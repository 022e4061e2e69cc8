/** A join over several lanes against a plain one: rows in any order, late rows, crashes, other numbers of lanes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StateByStep } from '../../checkpoint/kept-state.ts'
import { openLaneDatabase, type LaneDatabase } from '../../dataplane/lane-database.ts'
import { joinWork, JoinWorld, type JoinRow } from '../../testkit/keyed/join-world.ts'
import { MemoryFileStore } from '../../testkit/memory-file-store.ts'

const MINUTE = 60_000_000
const [BEFORE, AFTER] = [2 * MINUTE, 10 * MINUTE]
const RUNS = process.env['MILLRACE_FULL'] === '1' ? 400 : 10

type Draft = Omit<JoinRow, 'id'>
type Act =
  | { readonly kind: 'rows'; readonly lane: number; readonly rows: readonly Draft[] }
  /** Event time goes on by so many microseconds. */
  | { readonly kind: 'barrier'; readonly by: number | undefined }
  /** What was not published is lost, and read again by so many lanes. */
  | { readonly kind: 'crash'; readonly lanes: number }

/** Whole minutes, so that rows often stand on the very bounds. */
const draft: fc.Arbitrary<Draft> = fc.record({
  side: fc.constantFrom('left', 'right'),
  key: fc.oneof({ weight: 8, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.constant(null) }),
  at: fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: -5, max: 40 }).map((minutes) => minutes * MINUTE) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
})
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('rows'),
      lane: fc.nat(3),
      rows: fc.array(draft, { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('barrier'),
      by: fc.option(
        fc.nat(12).map((minutes) => minutes * MINUTE),
        { nil: undefined },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash'), lanes: fc.integer({ min: 1, max: 3 }) }) },
)

/** Partners at the last moment that they may have, rows one moment too far, and a row that is late by one moment. */
const rowsAt = (side: JoinRow['side'], ...moments: readonly number[]): Act => {
  return { kind: 'rows', lane: 0, rows: moments.map((at) => ({ side, key: 0, at })) }
}
const BOUNDS: readonly Act[] = [
  rowsAt('left', 0, -1),
  { kind: 'barrier', by: AFTER },
  rowsAt('right', AFTER, AFTER - 1),
  { kind: 'crash', lanes: 1 },
  { kind: 'barrier', by: BEFORE },
  { kind: 'crash', lanes: 3 },
  rowsAt('left', AFTER + BEFORE, AFTER + BEFORE + 1, AFTER + BEFORE - 1),
]

for (const kind of ['inner', 'left'] as const) {
  test(`${kind}: every row is paired as in a join of all rows at once, or stays alone, or is late, over crashes`, async () => {
    await using database = await openLaneDatabase({ memoryLimitBytes: 256 * 1024 * 1024 })
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 14 }), (acts) => play(database, acts, kind === 'left')),
      { numRuns: RUNS, examples: [[[...BOUNDS]]] },
    )
  })
}

async function play(database: LaneDatabase, acts: readonly Act[], keepsLeft: boolean): Promise<void> {
  const plan = joinWork(BEFORE, AFTER, keepsLeft)
  const store = new MemoryFileStore()
  /** Rows that count, with the event time that held when they were read. */
  const read: { readonly row: JoinRow; readonly closed: bigint | undefined }[] = []
  const given: string[] = []
  let [id, epoch, checkpoint] = [0, 1, 1]
  let eventTime: bigint | undefined
  /** What the last barrier said; rows are late by it. */
  let closed: bigint | undefined
  let published: { readonly state: StateByStep; readonly rows: number } | undefined
  let world = await JoinWorld.start(database, plan, 2, epoch, store, undefined)
  const take = async (lane: number, rows: readonly JoinRow[]): Promise<void> => {
    for (const row of rows) read.push({ row, closed })
    await world.read(lane, rows)
  }
  const publish = async (isEnd: boolean): Promise<void> => {
    const parts = await world.barrier(checkpoint++, eventTime, isEnd)
    closed = eventTime
    const time = eventTime === undefined ? {} : { eventTime: String(eventTime) }
    published = { state: { join: { definition: 'd', ...time, parts } }, rows: read.length }
    given.push(...world.given)
    world.given = []
  }
  for (const one of acts) {
    if (one.kind === 'rows') {
      await take(
        one.lane,
        one.rows.map((row) => ({ ...row, id: id++ })),
      )
    } else if (one.kind === 'barrier') {
      if (one.by !== undefined) eventTime = (eventTime ?? 0n) + BigInt(one.by)
      await publish(false)
    } else {
      const settled = published?.state['join']?.eventTime
      eventTime = settled === undefined ? undefined : BigInt(settled)
      closed = eventTime
      const again = read.splice(published?.rows ?? 0).map(({ row }) => row)
      world = await JoinWorld.start(database, plan, one.lanes, ++epoch, store, published?.state)
      await take(0, again)
    }
  }
  await publish(true)
  assert.deepEqual(given.sort(), expected(read).sort())
}

function expected(read: readonly { readonly row: JoinRow; readonly closed: bigint | undefined }[]): string[] {
  const isLate = ({ row, closed }: (typeof read)[number]): boolean =>
    row.at === null || (closed !== undefined && row.at < Number(closed))
  const late = read.filter(isLate).map(({ row }) => `${row.id} late`)
  const rows = read.filter((one) => !isLate(one)).map(({ row }) => row)
  const paired = new Set<number>()
  const pairs = rows
    .filter(({ side }) => side === 'left')
    .flatMap((left) =>
      rows
        .filter(({ side, key }) => side === 'right' && key !== null && key === left.key)
        .filter(({ at }) => (at ?? 0) >= (left.at ?? 0) - BEFORE && (at ?? 0) <= (left.at ?? 0) + AFTER)
        .map((right) => {
          paired.add(left.id).add(right.id)
          return `${left.id} + ${right.id}`
        }),
    )
  const alone = rows.filter(({ id }) => !paired.has(id)).map(({ id }) => `${id} alone`)
  return [...late, ...pairs, ...alone]
}
