import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import type { Batch, Item } from '../../core/batch.ts'
import type { CutResult, SinkWriter } from '../../core/sink.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { silentLog } from '../../testkit/lane-context.ts'
import { modelPlan } from '../../testkit/model/model-plan.ts'
import { Lane } from '../lane.ts'
import type { FromLane, LaneAck } from '../messages.ts'
import { LaneEventTime } from '../event-time/lane-event-time.ts'
import { SourceTask } from '../source-task.ts'
import { systemClock } from '../system-clock.ts'
import { SplitBook } from '../split-book.ts'
import { Stage } from '../stage.ts'
import { Tap } from '../tap.ts'
import { SplitMoves } from './split-moves.ts'

const ROWS = 30
const SPLITS = ['a', 'b', 'c', 'd', 'e', 'f']

/** Reads the numbers 0, 1, … of its splits in turns, and ahead of what is handled. */
class Reader implements SplitReader {
  readonly #at = new Map<string, number>()

  assign(splits: readonly SplitAssignment[]): void {
    this.#at.clear()
    this.add(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    for (const { split, at } of splits) this.#at.set(split, Number(at['row']))
  }

  async poll(): Promise<readonly Item[]> {
    await turn()
    return [...this.#at].flatMap(([split, row]): Item[] => {
      if (row >= ROWS) return []
      this.#at.set(split, row + 1)
      const buffer = Buffer.from(`${split}${row}`)
      const body = { kind: 'bytes', buffer, length: buffer.length, separator: 0 } as const
      const place = { split, from: { row }, next: { row: row + 1 } }
      return [{ kind: 'batch', ...place, body, rows: 1, bytes: buffer.length, release() {} }]
    })
  }

  async close(): Promise<void> {}
}

class Writer implements SinkWriter {
  #rows: string[] = []

  begin(): void {
    this.#rows = []
  }

  async write({ body }: Batch): Promise<void> {
    await turn()
    assert.ok(body.kind === 'bytes')
    this.#rows.push(body.buffer.toString())
  }

  async cut(): Promise<CutResult> {
    const rows = this.#rows
    this.#rows = []
    await turn()
    return { committables: [{ rows }], counts: { rows: rows.length, bytes: 0 } }
  }

  async rollback(): Promise<void> {}
  async close(): Promise<void> {}
}

const cutTable = async (): Promise<never> => assert.fail('nothing is searched for')

/** Two lanes with three splits each, and what the coordinator does with them. */
class World {
  readonly published: string[] = []
  readonly book = new SplitBook(2)
  readonly errors: unknown[] = []
  readonly #lanes: readonly Lane[]
  #attempt = 0
  #checkpoint = 1
  #acks: LaneAck[] = []
  #moves: { split: string; to: number }[] = []
  #isCutting = false

  constructor() {
    this.book.add(SPLITS.map((split) => ({ split, spec: {}, at: { row: 0 }, finished: false })))
    this.#lanes = [0, 1].map(() => {
      const none = { operators: new Map(), writers: new Map(), senders: new Map(), receivers: new Map() }
      const stage = new Stage({ ...none, writers: new Map([['out', new Writer()]]) }, new Tap(() => undefined))
      const source = { task: new SourceTask('in', new Reader(), systemClock), edges: [{ to: 'out' }], rebalance: true }
      const steps = {
        sources: new Map([['in', source]]),
        stages: [stage],
        spreaders: new Map(),
        eventTime: new LaneEventTime([]),
        cutTable,
      }
      const lane = new Lane(steps, (message) => this.#hear(message))
      lane.failed = (_attempt, error) => this.errors.push(error)
      return lane
    })
  }

  async start(): Promise<void> {
    this.#attempt++
    this.#acks = []
    this.#moves = []
    this.#isCutting = false
    const base = { attempt: this.#attempt, checkpoint: this.#checkpoint, tickets: { out: {} } }
    const starts = this.#lanes.map((made, lane) =>
      made.start({ kind: 'start', ...base, assignments: { in: this.book.assignments(lane) } }),
    )
    await Promise.all(starts)
  }

  /** A barrier at which some splits change lanes. */
  barrier(moving: readonly string[]): void {
    if (this.#isCutting) return
    this.#isCutting = true
    const next = { checkpoint: this.#checkpoint + 1, tickets: { out: {} } }
    this.#moves = this.book.lanes
      .filter(({ split }) => moving.includes(split))
      .map(({ split, lane }) => ({ split, to: 1 - lane }))
    this.#lanes.forEach((made, lane) => {
      const given = this.#moves.filter(({ to }) => to !== lane).map(({ split }) => split)
      const revoke = given.length === 0 ? {} : { in: given }
      made
        .barrier({ kind: 'barrier', checkpoint: this.#checkpoint, next, last: false, revoke })
        .catch((error: unknown) => assert.match(String(error), /thrown away/))
    })
  }

  async settled(): Promise<void> {
    while (this.#isCutting) await turn()
  }

  async rewind(): Promise<void> {
    this.#attempt++
    await Promise.all(this.#lanes.map((lane) => lane.halt()))
    await this.start()
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()))
  }

  /** All rows of all splits are published. */
  get isDone(): boolean {
    return this.book.unfinished().every(({ at }) => at['row'] === ROWS)
  }

  #hear(message: FromLane): void {
    if (message.kind !== 'acked' || message.attempt !== this.#attempt) return
    this.#acks.push(message.ack)
    if (this.#acks.length < 2) return
    this.book.settle(this.book.withProgress(this.#acks.flatMap(({ positions }) => positions['in'] ?? [])))
    for (const { committables } of this.#acks) this.published.push(...(committables['out']?.[0]?.['rows'] as string[]))
    for (const { split, to } of this.#moves) {
      void this.#lanes[to]?.add({ kind: 'add', source: 'in', splits: this.book.move(split, to) })
    }
    this.#acks = []
    this.#moves = []
    this.#checkpoint++
    this.#isCutting = false
  }
}

const actions = fc.array(
  fc.oneof(fc.record({ moving: fc.subarray(SPLITS) }), fc.constant('rewind' as const), fc.integer({ min: 1, max: 30 })),
  { maxLength: 12 },
)

test('splits that change lanes at barriers lose and double nothing, through any rewinds', async () => {
  await fc.assert(
    fc.asyncProperty(actions, async (steps) => {
      const world = new World()
      try {
        await world.start()
        for (const step of steps) {
          if (step === 'rewind') await world.rewind()
          else if (typeof step === 'number') for (let at = 0; at < step; at++) await turn()
          else world.barrier(step.moving)
        }
        while (!world.isDone) {
          world.barrier([])
          await world.settled()
        }
        assert.deepEqual(world.errors, [])
        for (const split of SPLITS) {
          const rows = world.published.filter((row) => row.startsWith(split))
          assert.deepEqual(
            rows,
            Array.from({ length: ROWS }, (_, row) => `${split}${row}`),
          )
        }
      } finally {
        await world.close()
      }
    }),
    { numRuns: 100 },
  )
})

test('a move is carried out when its checkpoint is published, and forgotten in a rewind', () => {
  const base = modelPlan({ directory: '/', source: {}, lanes: 2, intervalMs: 1 })
  const steps = base.steps.map((step) => (step.kind === 'source' ? { ...step, bounded: false, rebalance: true } : step))
  const moved: string[] = []
  const books = {
    lanesOf: () => SPLITS.map((split, at) => ({ split, lane: at < 3 ? 0 : 1 })),
    move: (source: string, split: string, to: number): readonly SplitAssignment[] => {
      moved.push(`${source} ${split} → ${to}`)
      return [{ split, spec: {}, at: {} }]
    },
  }
  const moves = new SplitMoves({ steps, parallelism: 2 }, books, silentLog)
  /** Three barriers with a lane that reads everything; what it gives back at the last. */
  const untilMove = (): unknown => {
    let given: unknown
    for (let barrier = 0; barrier < 3; barrier++) {
      const splits = ['a', 'b', 'c'].map((split): [string, number] => [split, 100])
      moves.hear({ kind: 'split-bytes', source: 'numbers', splits })
      const revoke = moves.atBarrier()
      given = [revoke(0), revoke(1)]
    }
    return given
  }
  assert.deepEqual(untilMove(), [{ numbers: ['a'] }, {}])
  moves.rewound()
  moves.published(() => assert.fail('a rewind came in between'))
  assert.deepEqual(moved, [])
  untilMove()
  const added: unknown[] = []
  moves.published((lane, source, splits) => added.push([lane, source, splits.map(({ split }) => split)]))
  assert.deepEqual([moved, added], [['numbers a → 1'], [[1, 'numbers', ['a']]]])
})
