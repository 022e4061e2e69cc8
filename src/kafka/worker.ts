import { MillraceError } from '../core/errors.ts'
import { murmur2, type PartitionOf } from '../clients/kafka/index.ts'
import { messagesOf, type ConsumedMessage, type MessageRun } from './consumed-message.ts'
import type { ConsumerOffsets } from './consumer-offsets.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import type { BatchHandler, HandlerContext } from './handler.ts'
import { Handling, type Treatment } from './handling.ts'
import { isRefusedMember } from './membership-errors.ts'
import { Abandoned } from './offers.ts'
import type { PartitionWork } from './partition-work.ts'
import { WorkPool } from './work-pool.ts'

/** How often in a row a commit may be refused although we are a member: more is no rebalance. */
const REFUSED_MAX = 20

/** Lanes of keys for each one that may run: enough that they rarely wait for each other by chance. */
const KEY_LANES = 16

/** Messages that are handled one by one without another partition getting its turn. */
const TURN = 64

/** What a worker needs of its consumer. */
export interface WorkerHost {
  readonly offsets: ConsumerOffsets
  /** Nothing more is begun. */
  readonly stopping: AbortSignal
  /** Asks the group whether we are a member. */
  askNow(): Promise<void>
  /** Messages of so many bytes are not waiting any more, whatever became of them. */
  done(bytes: number): void
  failed(error: unknown): void
}

/** Has messages handled: in their order, so many at the same time, each until it is done, stored elsewhere or abandoned. */
export class Worker {
  readonly #options: ConsumerOptions
  readonly #host: WorkerHost
  readonly #pool: WorkPool
  readonly #handling: Handling<HandlerContext>
  handled = 0
  /** When the last handled message was written. */
  newestMs: number | undefined

  constructor(options: ConsumerOptions, handler: BatchHandler, host: WorkerHost) {
    this.#options = options
    this.#host = host
    this.#pool = new WorkPool(options.concurrency ?? 1, (error) => host.failed(error))
    const handle: Treatment<HandlerContext>['handle'] = async (messages, context) => handler(messages, context)
    const store: Treatment<HandlerContext>['store'] = (letters, _messages, context) => this.#store(letters, context)
    this.#handling = new Handling(options, { handle, store })
  }

  get deadLettered(): number {
    return this.#handling.deadLettered
  }

  /** Has messages of one partition handled together. */
  addBatch(work: PartitionWork, batch: readonly MessageRun[]): void {
    const [first] = batch
    if (first === undefined) return
    const bytes = batch.reduce((sum, run) => sum + run.bytes, 0)
    this.#pool.add(work.lane(this.#laneOf(first)), async () => {
      await work.run(() => this.#handle(work, messagesOf(batch)))
      // Also what was not begun because its partition went.
      this.#host.done(bytes)
    })
  }

  /** Has each message handled by itself. */
  addEach(work: PartitionWork, runs: readonly MessageRun[]): void {
    const together = this.#options.order === 'key' ? 1 : TURN
    for (let run of runs)
      while (run.count > 0) {
        const [part, rest] = run.split(Math.min(together, run.count))
        run = rest
        this.#pool.add(work.lane(this.#laneOf(part)), async () => {
          for (const message of messagesOf([part])) await work.run(() => this.#handle(work, [message]))
          this.#host.done(part.bytes)
        })
      }
  }

  #laneOf(run: MessageRun): string {
    const { order = 'partition', concurrency = 1 } = this.#options
    const key = order === 'partition' ? null : (messagesOf([run.split(1)[0]])[0]?.key ?? null)
    return key === null ? '' : String((murmur2(key) & 0x7fffffff) % (concurrency * KEY_LANES))
  }

  async #handle(work: PartitionWork, messages: readonly ConsumedMessage[]): Promise<void> {
    if (this.#host.stopping.aborted) return
    const { offsets } = this.#host
    const context = (attempt: number): HandlerContext => ({
      signal: work.signal,
      attempt,
      commit: () => this.#commitHandled(work, messages),
      offsets() {
        // Signed as the member that we are now, the work of a partition that was taken away would count.
        if (work.signal.aborted) throw takenAway(work)
        return offsets.after(messages)
      },
    })
    try {
      await this.#handleAsMember(work, () => this.#handling.handle(messages, context, work.signal))
    } catch (thrown) {
      // What becomes of abandoned work is no failure: its messages are delivered again.
      if (thrown instanceof Abandoned || work.signal.aborted) return
      throw thrown
    }
    const last = messages.at(-1)
    if (work.signal.aborted || last === undefined) return
    this.handled += messages.length
    this.newestMs = last.timestampMs
    if (this.#options.commit === 'manual') return
    if (this.#options.order !== 'key') work.tracker.handledUpTo(last.offset)
    else for (const { offset } of messages) work.tracker.handled(offset)
  }

  /** Handles again what could not be committed because the group was being shared out, while the partition is ours. */
  async #handleAsMember(work: PartitionWork, handle: () => Promise<void>): Promise<void> {
    for (let refused = 1; ; refused++) {
      try {
        return await handle()
      } catch (thrown) {
        if (!isRefusedMember(thrown) || refused >= REFUSED_MAX) throw thrown
      }
      await this.#host.askNow()
      if (work.isStopped) throw new Abandoned()
    }
  }

  async #commitHandled(work: PartitionWork, messages: readonly ConsumedMessage[]): Promise<void> {
    const last = messages.at(-1)
    if (last === undefined || work.signal.aborted) return
    work.tracker.handledUpTo(last.offset)
    await this.#host.offsets.commit([work])
  }

  async #store(letters: Parameters<Treatment<HandlerContext>['store']>[0], context: HandlerContext): Promise<void> {
    const { deadLetters } = this.#options
    if (deadLetters === undefined) return
    const { producer } = deadLetters
    if ('send' in producer) return void (await Promise.all(letters.map((letter) => producer.send(letter))))
    await this.#host.offsets.exclusively(() =>
      producer.transaction(async (transaction) => {
        await transaction.send(letters)
        await transaction.sendOffsets(context.offsets())
      }),
    )
  }
}

function takenAway({ topic, partition }: PartitionOf): MillraceError {
  const message = `${topic} partition ${partition} was taken away: its messages are delivered again elsewhere`
  return new MillraceError(message, { code: 'FENCED', detail: { topic, partition } })
}
