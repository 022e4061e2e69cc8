import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import fc from 'fast-check'
import { assertBalanced, addAccounting, NOTHING } from '../../checkpoint/accounting.ts'
import type { Batch, Item } from '../../core/batch.ts'
import type { Clock } from '../../core/context.ts'
import type { CutResult, SinkWriter } from '../../core/sink.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { keyLane } from '../../dataplane/key-groups.ts'
import { Lane } from '../lane.ts'
import type { FromLane, LaneAck } from '../messages.ts'
import { LaneEventTime } from '../event-time/lane-event-time.ts'
import { SourceTask } from '../source-task.ts'
import { systemClock } from '../system-clock.ts'
import { Stage } from '../stage.ts'
import { Tap } from '../tap.ts'
import { LocalOutlet, RemoteOutlet } from './outlet.ts'
import { ExchangeReceiver } from './receiver.ts'
import { ExchangeSender, type Parcel, type Router } from './sender.ts'

/** A row is `split:number:key`; its key is one letter. */
const keyOf = (row: string): string => row.slice(-1)

function batchOf(rows: readonly string[], at: { readonly split: string; readonly from: number }): Batch {
  const buffer = Buffer.from(rows.join('\n'))
  const body = { kind: 'bytes', buffer, length: buffer.length, separator: 0 } as const
  const { split, from } = at
  // Every fourth batch fills a piece by itself; the others wait for more.
  const bytes = from % 4 === 0 ? 16 * 1024 * 1024 : 1
  const next = { row: from + rows.length }
  return { kind: 'batch', split, from: { row: from }, next, body, rows: rows.length, bytes, release() {} }
}

function rowsOf({ body }: Batch): string[] {
  assert.ok(body.kind === 'bytes')
  return body.buffer.toString('utf8', 0, body.length).split('\n')
}

/** The lane of a row behind an exchange: another one behind each. */
const laneOf = (row: string, hop: number, lanes: number): number => (keyLane(keyOf(row), lanes) + hop) % lanes

/** Shares texts out by their keys. */
class TextRouter implements Router {
  readonly #hop: number
  readonly #lanes: number

  constructor(hop: number, lanes: number) {
    this.#hop = hop
    this.#lanes = lanes
  }

  async *route(batches: readonly Batch[]): AsyncIterable<Parcel> {
    const rows = batches.flatMap(rowsOf)
    for (let lane = 0; lane < this.#lanes; lane++) {
      const own = rows.filter((row) => laneOf(row, this.#hop, this.#lanes) === lane)
      if (own.length > 0) yield { lane, batch: batchOf(own, { split: '', from: 1 }) }
      await turn()
    }
  }
}

/** Reads a list of rows in small batches, a few turns apart. */
class ListReader implements SplitReader {
  readonly #rows: readonly string[]
  #at = 0
  #hasEnded = false

  constructor(rows: readonly string[]) {
    this.#rows = rows
  }

  assign([split]: readonly SplitAssignment[]): void {
    this.#at = Number(split?.at['row'] ?? 0)
    this.#hasEnded = false
  }

  add(): void {}

  async poll(): Promise<readonly Item[]> {
    await turn()
    if (this.#hasEnded) return []
    const from = this.#at
    const rows = this.#rows.slice(from, from + 1 + (from % 3))
    this.#at += rows.length
    if (rows.length > 0) return [batchOf(rows, { split: 's', from })]
    this.#hasEnded = true
    return [{ kind: 'split-end', split: 's', at: { row: from } }]
  }

  async close(): Promise<void> {}
}

/** Keeps what it is given until it is cut, and takes its time. */
class ListWriter implements SinkWriter {
  #rows: string[] = []
  readonly #slow: number

  constructor(slow: number) {
    this.#slow = slow
  }

  begin(): void {
    this.#rows = []
  }

  async write(batch: Batch): Promise<void> {
    const rows = rowsOf(batch)
    const target = this.#rows
    for (let wait = 0; wait < this.#slow; wait++) await turn()
    target.push(...rows)
    batch.release()
  }

  async cut(): Promise<CutResult> {
    const rows = this.#rows
    this.begin()
    await turn()
    return { committables: [{ rows }], counts: { rows: rows.length, bytes: 0 } }
  }

  async rollback(): Promise<void> {
    this.begin()
  }

  async close(): Promise<void> {}
}

/** Lets what waits for a time go on when it is told. */
class HandClock implements Clock {
  #waiting = new Set<() => void>()

  now(): number {
    return 0
  }

  async sleep(): Promise<void> {}

  after(_ms: number, action: () => void): () => void {
    this.#waiting.add(action)
    return () => this.#waiting.delete(action)
  }

  pass(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const action of waiting) action()
  }
}

/** Lanes that read a list each and exchange the rows by key, and what their coordinator does. */
class World {
  readonly committed: { readonly lane: number; readonly row: string }[] = []
  readonly clock = new HandClock()
  readonly errors: unknown[] = []
  readonly #lanes: readonly Lane[]
  readonly #lists: readonly (readonly string[])[]
  readonly #ports: MessagePort[] = []
  readonly #hops: number
  #at: number[]
  #attempt = 0
  #checkpoint = 1
  #acks = new Map<number, LaneAck>()
  #drained = new Set<number>()
  #cutting = false

  /** @param hops exchanges that every row passes, one behind the other. */
  constructor(lists: readonly (readonly string[])[], hops: number, slow: number) {
    this.#lists = lists
    this.#hops = hops
    this.#at = lists.map(() => 0)
    const links = Array.from({ length: hops }, () => this.#link())
    this.#lanes = lists.map((rows, lane) => this.#openLane(rows, lane, links, slow))
  }

  /** A channel from every lane to every other one. */
  #link(): MessageChannel[][] {
    const channels = this.#lists.map(() => this.#lists.map(() => new MessageChannel()))
    for (const { port1, port2 } of channels.flat()) this.#ports.push(port1, port2)
    return channels
  }

  #openLane(rows: readonly string[], lane: number, links: readonly MessageChannel[][][], slow: number): Lane {
    const tap = new Tap(() => undefined)
    const ends = links.map((channels, hop) => this.#openExchange(hop, lane, channels))
    const stages = Array.from({ length: links.length + 1 }, (_, at) => {
      const into = ends[at - 1]
      const out = ends[at]
      const edges = [{ to: out === undefined ? 'out' : `hop ${at}` }]
      const steps = {
        operators: new Map(),
        writers: new Map(out === undefined ? [['out', new ListWriter(slow)]] : []),
        senders: new Map(out === undefined ? [] : [[`hop ${at}`, out.sender]]),
        receivers: new Map(into === undefined ? [] : [[`hop ${at - 1}`, { receiver: into.receiver, edges }]]),
      }
      return new Stage(steps, tap)
    })
    const task = new SourceTask('in', new ListReader(rows), systemClock)
    const sources = new Map([['in', { task, edges: [{ to: 'hop 0' }], rebalance: false }]])
    const made = new Lane(
      {
        sources,
        stages,
        spreaders: new Map(),
        eventTime: new LaneEventTime([]),
        cutTable: (batch) => Promise.resolve(batch),
      },
      (message) => this.#hear(lane, message),
    )
    made.failed = (_attempt, error) => this.errors.push(error)
    return made
  }

  #openExchange(
    hop: number,
    lane: number,
    channels: readonly MessageChannel[][],
  ): { readonly sender: ExchangeSender; readonly receiver: ExchangeReceiver } {
    const failed = (error: unknown): void => void this.errors.push(error)
    const others = (of: (other: number) => MessagePort | undefined): (MessagePort | undefined)[] =>
      channels.map((_, other) => (other === lane ? undefined : of(other)))
    const receiver = new ExchangeReceiver({
      id: `hop ${hop}`,
      ports: others((other) => channels[other]?.[lane]?.port2),
      unpack: async (block) => batchOf(rowsOf(block), { split: '', from: 1 }),
      failed,
    })
    const outlets = others((other) => channels[lane]?.[other]?.port1).map((port) =>
      port === undefined ? new LocalOutlet(receiver, lane) : new RemoteOutlet(port),
    )
    const router = new TextRouter(hop, channels.length)
    return { sender: new ExchangeSender({ outlets, router, clock: this.clock, failed }), receiver }
  }

  async start(): Promise<void> {
    this.#attempt++
    this.#acks.clear()
    this.#drained.clear()
    this.#cutting = false
    // One lane after the other: rows of the first may be there before the last has begun.
    for (const [lane, made] of this.#lanes.entries()) {
      const at = { row: this.#at[lane] ?? 0 }
      void made.start({
        kind: 'start',
        attempt: this.#attempt,
        checkpoint: this.#checkpoint,
        tickets: { out: {} },
        assignments: { in: [{ split: 's', spec: {}, at }] },
      })
      await turn()
      await turn()
    }
  }

  barrier(last: boolean): void {
    if (this.#cutting) return
    this.#cutting = true
    const next = { checkpoint: this.#checkpoint + 1, tickets: { out: {} } }
    for (const lane of this.#lanes) {
      lane.barrier({ kind: 'barrier', checkpoint: this.#checkpoint, next, last }).catch((error: unknown) => {
        assert.match(String(error), /thrown away/)
      })
    }
  }

  async rewind(): Promise<void> {
    this.#acks.clear()
    await Promise.all(this.#lanes.map((lane) => lane.halt()))
    this.#acks.clear()
    await this.start()
  }

  /** Until every list was read to its end. */
  async drained(): Promise<void> {
    while (this.#drained.size < this.#lanes.length) await this.#later()
  }

  async published(): Promise<void> {
    while (this.#cutting) await this.#later()
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()))
    for (const port of this.#ports) port.close()
  }

  async #later(): Promise<void> {
    this.clock.pass()
    await turn()
  }

  #hear(lane: number, message: FromLane): void {
    if (!('attempt' in message) || message.attempt !== this.#attempt) return
    if (message.kind === 'drained') this.#drained.add(lane)
    if (message.kind === 'acked') this.#ack(lane, message.ack)
  }

  #ack(lane: number, ack: LaneAck): void {
    this.#acks.set(lane, ack)
    if (this.#acks.size < this.#lanes.length) return
    assertBalanced(
      [...this.#acks.values()].map((each) => each.accounting).reduce(addAccounting, NOTHING),
      ack.checkpoint,
    )
    for (const [from, { positions, committables }] of this.#acks) {
      this.#at[from] = Number(positions['in']?.[0]?.at['row'] ?? 0)
      const rows = committables['out']?.[0]?.['rows'] as string[]
      this.committed.push(...rows.map((row) => ({ lane: from, row })))
    }
    this.#acks = new Map()
    this.#checkpoint++
    this.#cutting = false
  }

  check(): void {
    assert.deepEqual(this.errors, [])
    const rows = this.committed.map(({ row }) => row)
    assert.deepEqual(rows.toSorted(), this.#lists.flat().toSorted(), 'each row once')
    for (const { lane, row } of this.committed) assert.equal(lane, laneOf(row, this.#hops - 1, this.#lists.length))
    for (const list of this.#lists) {
      for (const key of new Set(list.map(keyOf))) {
        const wanted = list.filter((row) => keyOf(row) === key)
        const seen = rows.filter((row) => wanted.includes(row))
        assert.deepEqual(seen, wanted, 'rows of a split and key keep their order')
      }
    }
  }
}

const lists = fc
  .array(fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), { maxLength: 40 }), {
    minLength: 2,
    maxLength: 3,
  })
  .map((keys) => keys.map((list, split) => list.map((key, row) => `${split}:${row}:${key}`)))

/** Steps by key may follow each other, such as an aggregation and upserts. */
const hops = fc.integer({ min: 1, max: 2 })

const actions = fc.array(
  fc.oneof(
    fc.constant('barrier' as const),
    fc.constant('rewind' as const),
    fc.constant('linger' as const),
    fc.integer({ min: 1, max: 20 }),
  ),
  { maxLength: 12 },
)

test('each row arrives once, in one lane for its key and in order, through any barriers and rewinds', async () => {
  await fc.assert(
    fc.asyncProperty(lists, actions, fc.integer({ min: 0, max: 4 }), hops, async (rows, steps, slow, count) => {
      const world = new World(rows, count, slow)
      try {
        await world.start()
        for (const step of steps) {
          if (step === 'barrier') world.barrier(false)
          else if (step === 'rewind') await world.rewind()
          else if (step === 'linger') world.clock.pass()
          else for (let at = 0; at < step; at++) await turn()
        }
        await world.drained()
        await world.published()
        world.barrier(true)
        await world.published()
        world.check()
      } finally {
        await world.close()
      }
    }),
    { numRuns: 150 },
  )
})
