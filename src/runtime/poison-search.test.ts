import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecordRange } from '../checkpoint/bisect.ts'
import type { Clock } from '../core/context.ts'
import { errorToData, MillraceError } from '../core/errors.ts'
import type { Plan } from '../plan/plan.ts'
import { Ledger } from '../storage/ledger.ts'
import { ManualClock } from '../testkit/emulators/clock.ts'
import { silentLog } from '../testkit/lane-context.ts'
import { MemoryLog } from '../testkit/memory-log.ts'
import { modelPlan } from '../testkit/model/model-plan.ts'
import type { HandedRecords } from './handed-records.ts'
import type { LaneGroup } from './lane-group.ts'
import type { FromLane, ToLane } from './messages.ts'
import { PoisonSearch, type SearchOptions } from './poison-search.ts'
import type { SinkSide } from './sink-side.ts'
import type { SourceSide } from './source-side.ts'

const RECORDS = 4096
const BAD = 2748
const CHECKPOINT = 1
const REFUSED = new MillraceError('too many filtered rows', { code: 'POISON', retry: 'halt' })
const AWAY = new MillraceError('the server is away', { code: 'UNAVAILABLE', retry: 'restart' })

/** A lane with one split, and a server that takes its time over each trial and refuses one record. */
class World {
  readonly clock = new ManualClock(0)
  readonly search: PoisonSearch
  trials = 0
  /** Committables that were aborted. */
  aborted = 0
  /** What the lane does with a trial, when its turn has come; by default it takes so long, and answers. */
  onTrial: (attempt: number) => void = (attempt) => this.answer(attempt)
  trialMs = 0
  #offered = { from: 0, to: 0 }

  private constructor(ledger: Ledger, mode: Plan['mode']) {
    const lanes: Partial<LaneGroup> = {
      send: (of) => this.#deliver(of(0)),
      halt: async () => this.handed(),
    }
    const abort = async (): Promise<'aborted'> => {
      this.aborted += 1
      return 'aborted'
    }
    const sinks: Partial<SinkSide> = {
      coordinators: new Map([['out', { abort } as never]]),
      begin: async () => ({ out: {} }),
      combine: async (checkpoint, epoch, parts) =>
        (parts['out'] ?? []).map((committable) => ({
          ...{ sink: 'out', checkpoint, epoch, orderKey: '', rows: 1, committable },
        })),
      sweep: async () => undefined,
    }
    const sources: Partial<SourceSide> = {
      assignments: () => ({ in: [{ split: 's', spec: {}, at: { row: 0 } }] }),
    }
    const clock: Clock = {
      now: () => this.clock.now(),
      sleep: async (ms) => this.clock.advance(ms),
      after: (ms, action) => this.clock.schedule(ms, action),
    }
    const options: SearchOptions = {
      plan: { ...modelPlan({ directory: '/', source: {}, lanes: 1, intervalMs: 1 }), mode },
      lanes: lanes as LaneGroup,
      sinks: sinks as SinkSide,
      sources: sources as SourceSide,
      ledger,
      swept: Promise.resolve(),
      clock,
      logger: silentLog,
    }
    this.search = new PoisonSearch(options, CHECKPOINT)
  }

  static async open(mode: Plan['mode'] = 'two-phase'): Promise<World> {
    return new World(await Ledger.claim(new MemoryLog(), 'job', 'me', () => 0), mode)
  }

  async find(): Promise<{ message: string; ranges: readonly RecordRange[]; row: unknown }> {
    const handed = [{ checkpoint: CHECKPOINT, source: 'in', split: 's', records: RECORDS }]
    const { message, detail } = await this.search.place(REFUSED, handed)
    return { message, ranges: detail['ranges'] as RecordRange[], row: detail['row'] }
  }

  answer(attempt: number): void {
    this.clock.advance(this.trialMs)
    const { from, to } = this.#offered
    if (from <= BAD && BAD < to) this.fail(attempt, REFUSED)
    else this.ack(attempt)
  }

  fail(attempt: number, error: MillraceError): void {
    this.#say({ kind: 'failed', attempt, error: errorToData(error) })
  }

  ack(attempt: number): void {
    const accounting = { read: 0, copied: 0, filtered: 0, deadLettered: 0, written: 0 }
    const ack = { checkpoint: CHECKPOINT, positions: {}, committables: { out: [{}] }, accounting }
    this.#say({ kind: 'acked', attempt, ack })
  }

  /** What the lane handed on in this trial, with where its first and last record stand. */
  handed(): HandedRecords[] {
    const { from, to } = this.#offered
    const place = (row: number): { split: string; row: number } => ({ split: 's', row })
    const places = { first: place(from), last: place(to - 1) }
    return [{ checkpoint: CHECKPOINT, source: 'in', split: 's', records: to - from, ...places }]
  }

  #attempt = 0

  #deliver(message: ToLane): void {
    if (message.kind === 'start') {
      this.trials += 1
      this.#attempt = message.attempt
      this.#offered = message.trial?.['in']?.['s'] ?? assert.fail('a trial offers records of its split')
      queueMicrotask(() => this.#say({ kind: 'drained', attempt: message.attempt }))
    }
    if (message.kind === 'barrier') queueMicrotask(() => this.onTrial(this.#attempt))
  }

  #say(message: FromLane): void {
    this.search.hear(message)
  }
}

test('the record is named, and what was prepared in the trials is aborted', async () => {
  const world = await World.open()
  const { message, row } = await world.find()
  assert.match(message, /too many filtered rows.*the record at in: split s, record 2748/)
  assert.equal(row, BAD)
  assert.ok(world.trials <= Math.log2(RECORDS) + 1, `${world.trials} trials`)
  assert.ok(world.aborted > 0)
})

test('after a minute the smallest range that was refused is named', async () => {
  const world = await World.open()
  world.trialMs = 11_000
  const { message, ranges } = await world.find()
  assert.equal(world.trials, 6, 'the one that was under way when the minute was over is the last')
  const [range] = ranges
  assert.ok(range !== undefined && range.from <= BAD && BAD < range.to, JSON.stringify(ranges))
  assert.ok(range.to - range.from < RECORDS / 2, JSON.stringify(ranges))
  assert.match(
    message,
    new RegExp(`one of ${range.to - range.from} records: in: split s, record ${range.from} to record`),
  )
})

test('a trial that never answers ends with the minute, and does not begin again', async () => {
  const world = await World.open()
  world.onTrial = (attempt) => {
    if (world.trials <= 3) world.answer(attempt)
    else world.clock.advance(60_000)
  }
  const { ranges } = await world.find()
  assert.equal(world.trials, 4)
  assert.equal(world.clock.now(), 60_000)
  const [range] = ranges
  assert.ok(range !== undefined && range.to - range.from < RECORDS, 'what the first trials found out is not lost')
})

test('a trial that came to no verdict is made again', async () => {
  const world = await World.open()
  world.onTrial = (attempt) => {
    if (world.trials === 3) world.fail(attempt, AWAY)
    else world.answer(attempt)
  }
  assert.equal((await world.find()).row, BAD)
  assert.equal(world.clock.now(), 1000, 'after a pause')
})

test('a server that stays away does not hold the end up for longer than a minute', async () => {
  const world = await World.open()
  world.onTrial = (attempt) => world.fail(attempt, AWAY)
  const { message, ranges } = await world.find()
  assert.ok(world.clock.now() <= 60_000)
  assert.deepEqual([ranges[0]?.from, ranges[0]?.to], [0, RECORDS])
  assert.match(message, /one of 4096 records: in: split s, records 0 to 4095 after the last checkpoint/)
})

test('where rows are committed as they are written nothing is tried, and all that was read is named', async () => {
  const world = await World.open('at-least-once')
  const { message } = await world.find()
  assert.equal(world.trials, 0)
  assert.match(message, /one of 4096 records: in: split s/)
})
