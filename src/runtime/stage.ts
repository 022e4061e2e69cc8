import { assert } from '../core/assert.ts'
import type { Batch } from '../core/batch.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import type { JsonObject } from '../core/json.ts'
import type { CutResult, SinkWriter } from '../core/sink.ts'
import type { Accounting } from '../checkpoint/entries.ts'
import type { Edge } from '../plan/plan.ts'
import type { StateByStep, StatePart } from '../checkpoint/kept-state.ts'
import type { LaneOperator } from '../transforms/operator.ts'
import type { RecordFault } from '../transforms/record-place.ts'
import { eventTimesOf } from './event-time/event-time-desk.ts'
import type { Mark } from './exchange/messages.ts'
import type { ExchangeReceiver } from './exchange/receiver.ts'
import type { ExchangeSender } from './exchange/sender.ts'
import { Gate } from './gate.ts'
import { blame, type LetterBox, type Posted } from './letter-box.ts'
import type { StepTotals, Tickets, ToLane } from './messages.ts'
import { Origin } from './origin.ts'
import { shareBatch } from './shared-batch.ts'
import { thrownAway } from './shared-blocks.ts'
import type { StateChain } from './state/state-chain.ts'
import { Tally } from './tally.ts'
import type { Tap } from './tap.ts'

export interface StageSteps {
  readonly operators: ReadonlyMap<
    string,
    {
      readonly operator: LaneOperator
      readonly outputs: readonly (readonly Edge[])[]
      /** The step whose event time it goes by; its own unless it is a part of another. */
      readonly timeOf?: string
      readonly chain?: StateChain
      /** Whose dead letters its bad rows are. */
      readonly part?: string | undefined
    }
  >
  readonly writers: ReadonlyMap<string, SinkWriter>
  /** Exchanges that rows leave by, and those that they come from. */
  readonly senders: ReadonlyMap<string, ExchangeSender>
  readonly receivers: ReadonlyMap<string, { readonly receiver: ExchangeReceiver; readonly edges: readonly Edge[] }>
  readonly letters?: StageLetters | undefined
}

/** Where the plan has dead letters. */
export interface StageLetters {
  readonly box: LetterBox
  /** Steps whose rows are records of a source, with the step in front that may have taken some out. */
  readonly linedUp: ReadonlyMap<string, string | undefined>
}

/** What a stage did between two barriers. */
export interface StageCut {
  readonly writers: readonly (readonly [sink: string, result: CutResult])[]
  readonly counts: Accounting
  /** Rows that were given to each sink. */
  readonly given: ReadonlyMap<string, number>
  readonly state: readonly (readonly [step: string, part: StatePart])[]
}

type Barrier = ToLane & { kind: 'barrier' }

/**
 * The steps of one lane between two exchanges. A gate lets one item through them at a time, so a barrier that passes the
 * gate finds every step between two items.
 */
export class Stage {
  readonly #steps: StageSteps
  readonly #tap: Tap
  readonly #gate = new Gate()
  readonly #tally = new Tally()
  #given = new Map<string, number>()
  /** The records that are on their way through the steps, where bad ones of them can be put aside. */
  #origin: { readonly records: Origin; readonly letters: StageLetters } | undefined
  /** Between `begin` and `rollback`: a barrier that waited while the checkpoint was thrown away cuts nothing. */
  #isOpen = false

  constructor(steps: StageSteps, tap: Tap) {
    this.#steps = steps
    this.#tap = tap
    for (const sender of steps.senders.values()) sender.connect((flush) => this.enter(flush))
    for (const [id, { receiver, edges }] of steps.receivers) {
      receiver.connect(
        (action) => this.enter(action),
        (item) => (item.kind === 'batch' ? this.emit(id, edges, item) : this.mark(item)),
      )
    }
  }

  /** Runs an action between two others. */
  enter<T>(action: () => Promise<T> | T): Promise<T> {
    return this.#gate.run(action)
  }

  get hasState(): boolean {
    return [...this.#steps.operators.values()].some(({ operator }) => operator.begin !== undefined)
  }

  /** Before `begin`: operators forget what they did and go on from what a checkpoint holds. */
  async restore(attempt: number, state: StateByStep | undefined): Promise<void> {
    const times = eventTimesOf(state)
    for (const [id, { operator, chain, timeOf = id }] of this.#steps.operators) {
      await chain?.restore(attempt, state?.[id])
      await operator.begin?.(times.get(timeOf))
    }
  }

  begin(attempt: number, checkpoint: CheckpointId, tickets: Tickets): void {
    this.#isOpen = true
    this.#tally.reset()
    this.#given = new Map()
    for (const [id, writer] of this.#steps.writers) writer.begin(checkpoint, ticketOf(tickets, id))
    for (const sender of this.#steps.senders.values()) sender.begin(attempt)
    // Last: rows that came before we were there enter at once.
    for (const { receiver } of this.#steps.receivers.values()) receiver.begin(attempt)
  }

  /** Rows of a source enter the flow. */
  async read(source: string, edges: readonly Edge[], batch: Batch): Promise<void> {
    this.#tally.read(source, batch.rows, batch.bytes)
    const { letters } = this.#steps
    if (letters === undefined || batch.body.kind !== 'bytes') return this.emit(source, edges, batch)
    const kept = shareBatch(batch, 2)
    this.#origin = { records: new Origin(source, kept, batch.body), letters }
    try {
      await this.emit(source, edges, kept)
    } finally {
      this.#origin = undefined
      kept.release()
    }
  }

  /** Records of a source that go to no step: their dead letters enter the flow. */
  async post(source: string, posted: readonly Posted[]): Promise<void> {
    for (const { step, edges, batch } of posted) {
      this.#tally.read(source, batch.rows, 0)
      await this.emit(step, edges, batch)
    }
  }

  /** Hands the rows of a step on to those that read them. */
  async emit(from: string, edges: readonly Edge[], batch: Batch): Promise<void> {
    if (this.#tap.isOpen) this.#tap.show(from, batch)
    if (edges.length === 0) {
      this.#tally.dropped(batch.rows)
      return batch.release()
    }
    this.#tally.copied(batch.rows * (edges.length - 1))
    const shared = shareBatch(batch, edges.length)
    for (const edge of edges) await this.#deliver(edge.to, shared)
  }

  /** Event time, idleness and ends of splits go on to the next stage, in order with the rows. */
  async mark(mark: Mark): Promise<void> {
    for (const sender of this.#steps.senders.values()) await sender.mark(mark)
  }

  /** The barrier, between two items: what is on its way to other lanes is sent, then everything is cut at once. */
  async cut(message: Barrier): Promise<() => Promise<StageCut>> {
    const keeping = await this.#cutOperators(message)
    for (const sender of this.#steps.senders.values()) await sender.flush()
    if (!this.#isOpen) throw thrownAway()
    for (const sender of this.#steps.senders.values()) sender.cut(message.checkpoint)
    const cutting = [...this.#steps.writers].map(async ([id, writer]): Promise<[string, CutResult]> => {
      const next = { checkpoint: message.next.checkpoint, ticket: ticketOf(message.next.tickets, id) }
      return [id, await blame(id, writer.cut(next))]
    })
    const writers = Promise.all(cutting)
    writers.catch(() => undefined)
    const counts = this.#tally.cut()
    const given = this.#given
    this.#given = new Map()
    return async () => ({
      writers: await writers,
      counts,
      given,
      state: await Promise.all(keeping.map((keep) => keep())),
    })
  }

  /** The same behind an exchange: when the barriers of all lanes have come. */
  async cutWhenAligned(message: Barrier): Promise<StageCut> {
    const receivers = [...this.#steps.receivers.values()].map(({ receiver }) => receiver)
    const barriers = await Promise.all(receivers.map((receiver) => receiver.aligned()))
    for (const checkpoint of barriers) assert(checkpoint === message.checkpoint, 'all lanes cut the same checkpoint')
    const prepared = await this.enter(async () => {
      const cut = await this.cut(message)
      for (const receiver of receivers) receiver.resume()
      return cut
    })
    return prepared()
  }

  /** Open work goes. Writers go first: an item may be stuck in one of them. */
  async rollback(): Promise<void> {
    this.#isOpen = false
    for (const { receiver } of this.#steps.receivers.values()) receiver.rollback()
    for (const sender of this.#steps.senders.values()) sender.rollback()
    await Promise.all([...this.#steps.writers.values()].map((writer) => writer.rollback()))
  }

  totals(): Readonly<Record<string, StepTotals>> {
    return this.#tally.totals()
  }

  /** A step has something to give that waited for the clock. */
  get isDue(): boolean {
    return [...this.#steps.operators.values()].some(({ operator }) => operator.isDue === true)
  }

  /** Rows that each step keeps now. */
  kept(): readonly (readonly [step: string, rows: number])[] {
    return [...this.#steps.operators].flatMap(([id, { operator }]) =>
      operator.state === undefined ? [] : [[id, operator.state.rows] as const],
    )
  }

  /** What each exchange that rows leave by did since the last call. */
  sent(): readonly (readonly [exchange: string, sent: ReturnType<ExchangeSender['sent']>])[] {
    return [...this.#steps.senders].map(([id, sender]) => [id, sender.sent()])
  }

  /** Writers and exchanges first: an item may be stuck in one of them, with a server that takes no more. */
  async closeEnds(): Promise<void> {
    for (const { receiver } of this.#steps.receivers.values()) receiver.close()
    for (const sender of this.#steps.senders.values()) sender.close()
    await Promise.allSettled([...this.#steps.writers.values()].map((writer) => writer.close()))
  }

  async closeOperators(): Promise<void> {
    await Promise.allSettled([...this.#steps.operators.values()].map(({ operator }) => operator.close()))
  }

  /** In the order of the flow: what one of them gives with the barrier belongs before the cut of the next. */
  async #cutOperators(message: Barrier): Promise<(() => Promise<readonly [string, StatePart]>)[]> {
    const keeping: (() => Promise<readonly [string, StatePart]>)[] = []
    const { checkpoint, isEnd = false, eventTime } = message
    for (const [id, { operator, chain, outputs, timeOf = id }] of this.#steps.operators) {
      if (operator.cut === undefined) continue
      if (!this.#isOpen) throw thrownAway()
      let rows = 0
      await operator.cut(
        { checkpoint, isEnd, eventTime: eventTime?.get(timeOf) },
        {
          emit: async (output, made) => {
            rows += made.rows
            await this.emit(id, outputs[output] ?? [], made)
          },
        },
      )
      this.#tally.step(id, 0, rows)
      if (chain === undefined) continue
      const kept = await chain.save(checkpoint, isEnd)
      keeping.push(async () => [id, await kept()])
    }
    return keeping
  }

  async #deliver(to: string, batch: Batch): Promise<void> {
    const { rows, bytes } = batch
    const writer = this.#steps.writers.get(to)
    if (writer !== undefined) {
      // Rolled back while another writer had the item: what it holds is read again, and nothing is written before `begin`.
      if (!this.#isOpen) return batch.release()
      await blame(to, writer.write(batch))
      this.#given.set(to, (this.#given.get(to) ?? 0) + rows)
      this.#tally.written(to, rows, bytes)
      return
    }
    const sender = this.#steps.senders.get(to)
    if (sender !== undefined) {
      await sender.send(batch)
      this.#tally.step(to, rows, rows)
      return
    }
    const step = this.#steps.operators.get(to)
    assert(step !== undefined, `there is a step "${to}"`)
    let rowsOut = 0
    let dead = 0
    const putAside = this.#putAside(to, step.part)
    const process = step.operator.process(batch, {
      emit: async (output, made) => {
        rowsOut += made.rows
        await this.emit(to, step.outputs[output] ?? [], made)
      },
      ...(putAside && {
        setAside: async (faults) => {
          dead += faults.length
          await putAside(faults)
        },
      }),
    })
    await blame(step.part, process)
    this.#tally.step(to, rows - dead, rowsOut)
  }

  /** How a step gets rid of bad records, if those that it reads are at hand. */
  #putAside(id: string, part: string | undefined): ((faults: readonly RecordFault[]) => Promise<void>) | undefined {
    const origin = this.#origin
    if (origin === undefined || !origin.letters.linedUp.has(id)) return undefined
    const { records, letters } = origin
    return async (faults) => {
      const step = { id, part, behind: letters.linedUp.get(id) }
      const { posted, again } = records.setAside(step, faults, letters.box)
      // A record that goes several ways and fails on two of them is one dead letter.
      this.#tally.copied(-again)
      for (const { step: at, edges, batch } of posted) await this.emit(at, edges, batch)
    }
  }
}

function ticketOf(tickets: Tickets, sink: string): JsonObject {
  const ticket = tickets[sink]
  assert(ticket !== undefined, `the sink "${sink}" has a ticket`)
  return ticket
}
