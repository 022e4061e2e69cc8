import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import { NOTHING } from '../checkpoint/accounting.ts'
import type { PendingCommittable } from '../core/checkpoint-types.ts'
import { errorToData, MillraceError } from '../core/errors.ts'
import { Ledger } from '../storage/ledger.ts'
import { realClock, silentLog } from '../testkit/lane-context.ts'
import type { Step } from '../plan/plan.ts'
import { MemoryLog } from '../testkit/memory-log.ts'
import { modelPlan } from '../testkit/model/model-plan.ts'
import type { Committer } from './committer.ts'
import type { LaneGroup } from './lane-group.ts'
import type { ToLane } from './messages.ts'
import { Run } from './run.ts'
import type { SinkSide } from './sink-side.ts'
import type { SourceSide } from './source-side.ts'

type Barrier = ToLane & { kind: 'barrier' }
type Start = ToLane & { kind: 'start' }

const AWAY = new MillraceError('the server is away', { code: 'UNAVAILABLE', retry: 'restart' })

/** The coordinator of two lanes that read what they are told, over a log in memory. */
class World implements AsyncDisposable {
  readonly run: Run
  readonly log: MemoryLog
  readonly sent: ToLane['kind'][] = []
  readonly barriers: Barrier[] = []
  halts = 0
  commits: number[][] = []
  /** What the lanes do at a start and at a barrier; by default they read one batch, end, and prepare. */
  onStart: (message: Start) => void = (message) => this.readAll(message.attempt)
  onBarrier: (message: Barrier) => void = (message) => this.ackAll(message)
  commit: () => Promise<void> = async () => undefined
  attempt = 0

  private constructor(ledger: Ledger, log: MemoryLog, steps: readonly Step[]) {
    this.log = log
    const lanes: Partial<LaneGroup> = {
      ready: Promise.resolve(),
      send: (of) => this.#deliver(of(0)),
      halt: async () => {
        this.halts++
        await turn()
        return []
      },
    }
    const sources: Partial<SourceSide> = {
      isSettled: true,
      assignments: () => ({}),
      withProgress: () => ({}),
      settle: () => undefined,
      acknowledge: async () => undefined,
      watch: async () => undefined,
    }
    const sinks: Partial<SinkSide> = {
      coordinators: new Map([['out', {} as never]]),
      begin: async (checkpoint, epoch) => {
        assert.ok(epoch > 0, 'tickets are made for epochs that were claimed')
        return { out: { checkpoint, epoch } }
      },
      combine: async (checkpoint, epoch): Promise<PendingCommittable[]> => [
        { sink: 'out', checkpoint, epoch, orderKey: 'out', rows: 0, committable: {} },
      ],
      forget: async () => undefined,
    }
    const committer: Partial<Committer> = {
      commitAll: (_permit, items) => {
        this.commits.push(items.map((item) => item.checkpoint))
        return this.commit()
      },
    }
    const plan = modelPlan({ directory: '/', source: {}, lanes: 2, intervalMs: 1 })
    this.run = new Run({
      plan: { ...plan, steps: [...plan.steps, ...steps] },
      connectors: {},
      log,
      logger: silentLog,
      clock: { ...realClock, now: () => 0, sleep: () => turn(undefined) },
      random: () => 0,
      observe: () => undefined,
      ledger,
      lanes: lanes as LaneGroup,
      sinks: sinks as SinkSide,
      sources: sources as SourceSide,
      committer: committer as Committer,
      swept: Promise.resolve(),
      fingerprints: {},
    })
  }

  static async open(steps: readonly Step[] = []): Promise<World> {
    const log = new MemoryLog()
    return new World(await Ledger.claim(log, 'job', 'me', () => 0), log, steps)
  }

  readAll(attempt: number): void {
    this.read(attempt)
    this.drain(attempt)
  }

  drain(attempt: number): void {
    for (const lane of [0, 1]) this.run.laneSays(lane, { kind: 'drained', attempt })
  }

  read(attempt: number): void {
    this.run.laneSays(0, { kind: 'read', attempt })
  }

  fail(lane: number): void {
    this.run.laneSays(lane, { kind: 'failed', attempt: this.attempt, error: errorToData(AWAY) })
  }

  ackAll({ checkpoint }: Barrier): void {
    for (const lane of [0, 1]) {
      const state = { once: { groups: [lane, lane + 1], files: [] } as const }
      const ack = { checkpoint, positions: {}, committables: { out: [{}] }, accounting: NOTHING, state }
      this.run.laneSays(lane, { kind: 'acked', attempt: this.attempt, ack })
    }
  }

  async kinds(): Promise<string> {
    return (await Ledger.read(this.log)).map(({ kind }) => kind).join(' ')
  }

  count(kind: ToLane['kind']): number {
    return this.sent.filter((one) => one === kind).length
  }

  #deliver(message: ToLane): void {
    this.sent.push(message.kind)
    if (message.kind === 'start') {
      this.attempt = message.attempt
      this.#checkTickets(message)
      this.onStart(message)
    }
    if (message.kind === 'barrier') {
      this.#checkTickets(message.next)
      this.barriers.push(message)
      this.onBarrier(message)
    }
  }

  #checkTickets({ checkpoint, tickets }: Pick<Start, 'checkpoint' | 'tickets'>): void {
    assert.deepEqual(tickets, { out: { checkpoint, epoch: this.attempt } }, 'a ticket is for its own checkpoint')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run.close()
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn()
}

test('a bounded run publishes once, commits, and is finished', async () => {
  await using world = await World.open()
  assert.equal(await world.run.untilEnd(), 'finished')
  assert.equal(await world.kinds(), 'claim checkpoint confirm finished')
})

test('when the last checkpoint fails, the input is read again before the run is finished', async () => {
  await using world = await World.open()
  let barriers = 0
  world.onBarrier = (message) => {
    if (++barriers === 1) world.fail(0)
    else world.ackAll(message)
  }
  // The second time the lanes take longer over the same input: one batch, a checkpoint, and only then the end.
  world.onStart = (message) => {
    if (barriers === 0) world.readAll(message.attempt)
    else world.read(message.attempt)
  }
  const end = world.run.untilEnd()
  await until(() => world.commits.length === 1)
  assert.ok(!(await world.kinds()).includes('finished'))
  world.readAll(world.attempt)
  assert.equal(await end, 'finished')
  assert.equal(world.commits.length, 2)
})

test('errors that come together, from a lane and from a commit, are one rewind', async () => {
  await using world = await World.open()
  world.onStart = ({ attempt }) => (world.commits.length === 0 ? world.readAll(attempt) : world.drain(attempt))
  world.commit = async () => {
    if (world.commits.length > 1) return
    world.fail(0)
    throw AWAY
  }
  assert.equal(await world.run.untilEnd(), 'finished')
  assert.deepEqual([world.halts, world.count('start')], [1, 2])
})

test('a commit that fails after the last rows is made up for without new ones', async () => {
  await using world = await World.open()
  world.commit = async () => {
    if (world.commits.length < 3) throw AWAY
  }
  // What is published is not read again: after a rewind the splits have ended.
  world.onStart = ({ attempt }) => (world.commits.length === 0 ? world.readAll(attempt) : world.drain(attempt))
  assert.equal(await world.run.untilEnd(), 'finished')
  assert.deepEqual(world.commits, [[1], [1], [1]])
  assert.match(await world.kinds(), /^claim checkpoint .*confirm finished$/)
})

test('a stop during trouble ends the run at what is published', async () => {
  await using world = await World.open()
  let barriers = 0
  world.onStart = ({ attempt }) => world.read(attempt)
  world.onBarrier = (message) => {
    if (++barriers === 1) return world.ackAll(message)
    world.run.end('stopped')
    world.fail(1)
  }
  const end = world.run.untilEnd()
  await until(() => world.commits.length === 1)
  world.read(world.attempt)
  assert.equal(await end, 'stopped')
  assert.match(await world.kinds(), /checkpoint confirm.* stopped$/)
  assert.equal(world.count('start'), 1)
})

test('a publish that ends during a rewind starts nothing for lanes at rest', async () => {
  await using world = await World.open()
  let first = true
  world.onStart = ({ attempt }) => world.read(attempt)
  world.onBarrier = (message) => {
    world.ackAll(message)
    if (!first) return
    first = false
    // More rows, a stop, and an error, all while the manifest is on its way.
    world.read(world.attempt)
    world.fail(0)
    world.run.end('stopped')
  }
  assert.equal(await world.run.untilEnd(), 'stopped')
  assert.equal(world.count('barrier'), 1)
  assert.match(await world.kinds(), /checkpoint.*confirm.* stopped$/)
})

test('a last checkpoint that follows at once on another has tickets of its own', async () => {
  await using world = await World.open()
  let barriers = 0
  world.onStart = ({ attempt }) => world.read(attempt)
  world.onBarrier = (message) => {
    world.ackAll(message)
    // The input goes on and ends while the manifest is on its way.
    if (++barriers === 1) world.readAll(world.attempt)
  }
  assert.equal(await world.run.untilEnd(), 'finished')
  assert.equal(await world.kinds(), 'claim checkpoint checkpoint confirm confirm finished')
})

test('what steps keep has a barrier of the end, also when the lanes are through while another one is under way', async () => {
  const kept = { kind: 'deduplicate', id: 'once', work: { id: 'once', definition: 'once' } } as unknown as Step
  await using world = await World.open([kept])
  world.onStart = ({ attempt }) => world.read(attempt)
  world.onBarrier = (message) => {
    // The lanes had told of their rows, which this barrier holds, and have nothing new to tell but that they are through.
    if (world.barriers.length === 1) world.drain(world.attempt)
    world.ackAll(message)
  }
  assert.equal(await world.run.untilEnd(), 'finished')
  assert.deepEqual(
    world.barriers.map(({ last, isEnd }) => [last, isEnd]),
    [
      [false, false],
      [true, true],
    ],
  )
})
