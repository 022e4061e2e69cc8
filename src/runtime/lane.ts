import type { Batch, Item } from '../core/batch.ts'
import { assert } from '../core/assert.ts'
import { MillraceError } from '../core/errors.ts'
import { failpoint } from '../core/failpoints.ts'
import type { CutResult, SinkWriter } from '../core/sink.ts'
import type { JsonObject } from '../core/json.ts'
import type { LaneOperator } from '../transforms/operator.ts'
import type { Edge } from '../plan/plan.ts'
import { Gate } from './gate.ts'
import { HandedCounter, type HandedRecords } from './handed-records.ts'
import type { FromLane, LaneAck, SplitProgress, ToLane } from './messages.ts'
import { shareBatch } from './shared-batch.ts'
import type { SourceTask } from './source-task.ts'
import { Tally } from './tally.ts'
import type { Tap } from './tap.ts'

/** The steps of one lane, made by lane-steps.ts from the plan. */
export interface LaneSteps {
  readonly sources: ReadonlyMap<string, { readonly task: SourceTask; readonly edges: readonly Edge[] }>
  readonly operators: ReadonlyMap<
    string,
    { readonly operator: LaneOperator; readonly outputs: readonly (readonly Edge[])[] }
  >
  readonly writers: ReadonlyMap<string, SinkWriter>
}

type Message<K extends ToLane['kind']> = ToLane & { kind: K }

/**
 * One lane: reader → transforms → writer, one item at a time. Sources poll side by side; the gate lets one item through
 * the steps at a time, so a barrier that passes the gate finds every step between two items and aligns by itself.
 */
export class Lane {
  readonly #steps: LaneSteps
  readonly #tell: (message: FromLane) => void
  readonly #tap: Tap
  readonly #gate = new Gate()
  readonly #tally = new Tally()
  readonly #handed = new HandedCounter()
  readonly #writtenSinceCut = new Map<string, number>()
  #attempt = 0
  #running = false
  /** Nothing runs and nothing is open: a start needs no halt before it. */
  #isAtRest = true
  #dirty = false
  #drained = false

  constructor(steps: LaneSteps, tap: Tap, tell: (message: FromLane) => void) {
    this.#steps = steps
    this.#tap = tap
    this.#tell = tell
  }

  async start(message: Message<'start'>): Promise<void> {
    this.#attempt = message.attempt
    if (!this.#isAtRest) await this.halt()
    // A later start came in between.
    if (this.#attempt !== message.attempt) return
    this.#isAtRest = false
    this.#tally.reset()
    this.#handed.begin(message.checkpoint, message.trial)
    this.#writtenSinceCut.clear()
    for (const [id, writer] of this.#steps.writers) writer.begin(message.checkpoint, ticketOf(message.tickets, id))
    for (const [id, { task }] of this.#steps.sources) task.assign(message.assignments[id] ?? [])
    this.#dirty = false
    this.#drained = false
    this.#running = true
    for (const { task } of this.#steps.sources.values()) this.#runSource(task)
    this.#checkDrained()
  }

  add(message: Message<'add'>): void {
    this.#steps.sources.get(message.source)?.task.add(message.splits)
    if (message.splits.length > 0) this.#drained = false
  }

  /** Rest, and throw away what was not cut. Writers go first: an item may be stuck in one of them. */
  async halt(): Promise<void> {
    this.#running = false
    const resting = [...this.#steps.sources.values()].map(({ task }) => task.rest())
    await Promise.all([...this.#steps.writers.values()].map((writer) => writer.rollback()))
    await Promise.all(resting)
    this.#isAtRest = true
  }

  /** The barrier: cuts all writers between two items, then reports when everything is prepared. */
  async barrier(message: Message<'barrier'>): Promise<void> {
    const attempt = this.#attempt
    const { cuts, positions, counts, written } = await this.#gate.run(() => {
      failpoint('chk.barrier', 'before')
      if (message.last) this.#stopReading()
      const cutting = [...this.#steps.writers].map(async ([id, writer]): Promise<[string, CutResult]> => {
        const next = { checkpoint: message.next.checkpoint, ticket: ticketOf(message.next.tickets, id) }
        return [id, await writer.cut(next)]
      })
      const snapshot = {
        cuts: cutting,
        positions: this.positions(),
        counts: this.#tally.cut(),
        written: new Map(this.#writtenSinceCut),
      }
      this.#handed.cut(message.next.checkpoint)
      this.#writtenSinceCut.clear()
      this.#dirty = false
      failpoint('chk.barrier', 'after')
      return snapshot
    })
    const results = await Promise.all(cuts)
    if (attempt !== this.#attempt) return
    const ack: LaneAck = {
      checkpoint: message.checkpoint,
      positions,
      committables: Object.fromEntries(results.map(([id, result]) => [id, result.committables])),
      accounting: { ...counts, written: sumWritten(results, written, message.checkpoint) },
    }
    failpoint('chk.ack', 'before')
    this.#tell({ kind: 'acked', attempt, ack })
    failpoint('chk.ack', 'after')
  }

  /** What was handed on into checkpoints that may not be published. */
  handed(): HandedRecords[] {
    return this.#handed.report()
  }

  positions(): Record<string, SplitProgress[]> {
    return Object.fromEntries([...this.#steps.sources].map(([id, { task }]) => [id, task.positions()]))
  }

  reportProgress(): void {
    this.#tell({ kind: 'progress', steps: this.#tally.totals(), positions: this.positions() })
  }

  async close(): Promise<void> {
    this.#running = false
    const { sources, operators, writers } = this.#steps
    const resting = [...sources.values()].map(({ task }) => task.rest())
    // Writers first: an item may be stuck in one of them, with a server that takes no more.
    await Promise.allSettled([...writers.values()].map((writer) => writer.close()))
    await Promise.all(resting)
    await Promise.allSettled([
      ...[...sources.values()].map(({ task }) => task.close()),
      ...[...operators.values()].map(({ operator }) => operator.close()),
    ])
  }

  #runSource(task: SourceTask): void {
    const attempt = this.#attempt
    task.run(
      (item) => this.#gate.run(() => this.#handle(task, item)),
      (error) => this.#fail(attempt, error),
    )
  }

  /** For errors that no call of this lane hears of, such as those of rows that came from another lane. */
  fail(error: unknown): void {
    this.#fail(this.#attempt, error)
  }

  #fail(attempt: number, error: unknown): void {
    if (attempt !== this.#attempt || !this.#running) return
    this.#stopReading()
    this.failed(attempt, error)
  }

  /** Sources come to rest; what they had polled is dropped by `#handle` and read again by whoever goes on. */
  #stopReading(): void {
    this.#running = false
    for (const { task } of this.#steps.sources.values()) void task.rest()
  }

  /** Set by the thread: how an error reaches the coordinator. */
  failed: (attempt: number, error: unknown) => void = () => undefined

  async #handle(task: SourceTask, item: Item): Promise<void> {
    // After the last barrier, or in a rewind: what was polled is not part of any checkpoint.
    if (!this.#running) return item.kind === 'batch' ? item.release() : undefined
    const batch = item.kind === 'batch' ? this.#handed.take(task.id, item) : undefined
    if (batch !== undefined) {
      this.#tally.read(task.id, batch.rows, batch.bytes)
      await this.#emit(task.id, this.#steps.sources.get(task.id)?.edges ?? [], batch)
    }
    task.advance(item)
    if (item.kind === 'split-end') this.#handed.splitEnded(task.id, item.split)
    if (!this.#dirty) {
      this.#dirty = true
      this.#tell({ kind: 'read', attempt: this.#attempt })
    }
    if (item.kind === 'split-end' || this.#handed.isTrialOver === true) this.#checkDrained()
  }

  async #emit(from: string, edges: readonly Edge[], batch: Batch): Promise<void> {
    if (this.#tap.isOpen) this.#tap.show(from, batch)
    if (edges.length === 0) {
      this.#tally.dropped(batch.rows)
      return batch.release()
    }
    this.#tally.copied(batch.rows * (edges.length - 1))
    const shared = shareBatch(batch, edges.length)
    for (const edge of edges) await this.#deliver(edge.to, shared)
  }

  async #deliver(to: string, batch: Batch): Promise<void> {
    const writer = this.#steps.writers.get(to)
    if (writer !== undefined) {
      const { rows, bytes } = batch
      await writer.write(batch)
      this.#writtenSinceCut.set(to, (this.#writtenSinceCut.get(to) ?? 0) + rows)
      this.#tally.written(to, rows, bytes)
      return
    }
    const step = this.#steps.operators.get(to)
    assert(step !== undefined, `there is a step "${to}"`)
    const rowsIn = batch.rows
    let rowsOut = 0
    await step.operator.process(batch, {
      emit: async (output, made) => {
        rowsOut += made.rows
        await this.#emit(to, step.outputs[output] ?? [], made)
      },
    })
    this.#tally.step(to, rowsIn, rowsOut)
  }

  #checkDrained(): void {
    if (this.#drained) return
    const isDrained = this.#handed.isTrialOver ?? [...this.#steps.sources.values()].every(({ task }) => task.isDrained)
    if (!isDrained) return
    this.#drained = true
    this.#tell({ kind: 'drained', attempt: this.#attempt })
  }
}

function ticketOf(tickets: Readonly<Record<string, JsonObject>>, sink: string): JsonObject {
  const ticket = tickets[sink]
  assert(ticket !== undefined, `the sink "${sink}" has a ticket`)
  return ticket
}

/** The server's count of each sink has to be ours: fewer or more rows would be silent loss or doubling. */
function sumWritten(
  results: readonly [string, CutResult][],
  given: ReadonlyMap<string, number>,
  checkpoint: number,
): number {
  let sum = 0
  for (const [sink, { counts }] of results) {
    const expected = given.get(sink) ?? 0
    if (counts.rows !== expected) {
      throw new MillraceError(
        `checkpoint ${checkpoint}: the sink "${sink}" was given ${expected} rows and took ${counts.rows}`,
        { code: 'ACCOUNTING', detail: { checkpoint, sink, given: expected, taken: counts.rows } },
      )
    }
    sum += counts.rows
  }
  return sum
}
