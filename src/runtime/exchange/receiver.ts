import type { MessagePort } from 'node:worker_threads'
import type { Batch } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import { thrownAway } from '../shared-blocks.ts'
import { notConnected, type Enter } from './enter.ts'
import type { Credit, Mark, ToReceiver } from './messages.ts'

/** Makes rows that came as bytes readable for the steps that follow. The memory may be used again afterwards. */
export type Unpack = (block: Batch) => Promise<Batch>

/** A message of another lane, or a batch of our own. */
export type Incoming =
  | ToReceiver
  | { readonly kind: 'batch'; readonly attempt: number; readonly batch: Batch; readonly taken: () => void }

interface Sender {
  /** Undefined for our own lane. */
  readonly port: MessagePort | undefined
  /** What came after this sender's cut, or before our own start. */
  held: Incoming[]
  cut: CheckpointId | undefined
  rows: number
}

export interface ReceiverOptions {
  readonly id: string
  /** Our ends of the channels, by lane; undefined for our own. */
  readonly ports: readonly (MessagePort | undefined)[]
  readonly unpack: Unpack
  /** Told of errors that no call hears of. */
  readonly failed: (error: unknown) => void
}

/**
 * The end of an exchange in the lane that rows go to. Rows of all lanes enter the stage behind it one by one, in order
 * for each sender. A sender whose barrier has come is not heard until the barriers of all have: then the stage is cut.
 */
export class ExchangeReceiver {
  readonly #options: ReceiverOptions
  readonly #senders: readonly Sender[]
  #enter: Enter = notConnected
  #handle: (item: Batch | Mark) => Promise<void> = notConnected
  #attempt = 0
  /** Between `begin` and `rollback`. */
  #isOpen = false
  #aligned = Promise.withResolvers<CheckpointId>()

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#senders = options.ports.map((port) => ({ port, held: [], cut: undefined, rows: 0 }))
    options.ports.forEach((port, lane) => port?.on('message', (message: ToReceiver) => this.take(lane, message)))
    this.#aligned.promise.catch(() => undefined)
  }

  /** The stage that the rows go to. */
  connect(enter: Enter, handle: (item: Batch | Mark) => Promise<void>): void {
    this.#enter = enter
    this.#handle = handle
  }

  begin(attempt: number): void {
    this.#attempt = attempt
    this.#isOpen = true
    this.#takeUp()
  }

  /** Resolves when every lane's barrier has come; then nothing enters the stage until `resume`. */
  aligned(): Promise<CheckpointId> {
    return this.#aligned.promise
  }

  /** The stage was cut: what was held back belongs to the next checkpoint. */
  resume(): void {
    this.#realign()
    this.#takeUp()
  }

  /** What is under way, or comes before the next `begin`, is thrown away. */
  rollback(): void {
    this.#isOpen = false
    this.#aligned.reject(thrownAway())
    this.#realign()
    // What a later attempt has sent already stays held.
    this.#takeUp()
  }

  close(): void {
    this.rollback()
    for (const { port } of this.#senders) port?.close()
  }

  take(lane: number, message: Incoming): void {
    const sender = this.#senders[lane]
    if (sender === undefined) return
    const isAhead = message.attempt > this.#attempt
    if (!isAhead && !this.#isCurrent(message)) return drop(sender, message)
    if (isAhead || sender.cut !== undefined) {
      sender.held.push(message)
      return
    }
    if (message.kind === 'cut') return this.#hearCut(sender, message)
    if (message.kind !== 'mark') sender.rows += message.kind === 'rows' ? message.head.rows : message.batch.rows
    this.#enter(() => this.#pass(sender, message)).catch((error: unknown) => {
      if (this.#isCurrent(message)) this.#options.failed(error)
    })
  }

  async #pass(sender: Sender, message: Exclude<Incoming, { kind: 'cut' }>): Promise<void> {
    // It waited for its turn while the checkpoint was thrown away.
    if (!this.#isCurrent(message)) return drop(sender, message)
    if (message.kind === 'mark') return this.#handle(message.mark)
    if (message.kind === 'batch') {
      try {
        return await this.#handle(message.batch)
      } finally {
        message.taken()
      }
    }
    let batch: Batch
    try {
      batch = await this.#options.unpack(batchOf(message))
    } finally {
      giveBack(sender, message)
    }
    await this.#handle(batch)
  }

  #hearCut(sender: Sender, message: ToReceiver & { kind: 'cut' }): void {
    try {
      this.#cut(sender, message)
    } catch (error) {
      this.#options.failed(error)
    }
  }

  #cut(sender: Sender, { checkpoint, rows }: ToReceiver & { kind: 'cut' }): void {
    if (rows !== sender.rows) {
      const message = `checkpoint ${checkpoint}: ${rows} rows were sent to another lane by ${this.#options.id}, and ${sender.rows} arrived`
      throw new MillraceError(message, { code: 'ACCOUNTING', detail: { checkpoint } })
    }
    sender.cut = checkpoint
    if (this.#senders.some(({ cut }) => cut !== checkpoint)) return
    failpoint('chk.align', 'before')
    this.#aligned.resolve(checkpoint)
    failpoint('chk.align', 'after')
  }

  #isCurrent({ attempt }: Incoming): boolean {
    return this.#isOpen && attempt === this.#attempt
  }

  #realign(): void {
    this.#aligned = Promise.withResolvers<CheckpointId>()
    this.#aligned.promise.catch(() => undefined)
    for (const sender of this.#senders) Object.assign(sender, { cut: undefined, rows: 0 })
  }

  #takeUp(): void {
    this.#senders.forEach((sender, lane) => {
      const held = sender.held
      sender.held = []
      for (const message of held) this.take(lane, message)
    })
  }
}

function drop(sender: Sender, message: Incoming): void {
  if (message.kind === 'rows') return giveBack(sender, message)
  if (message.kind !== 'batch') return
  message.batch.release()
  message.taken()
}

function giveBack(sender: Sender, { block }: ToReceiver & { kind: 'rows' }): void {
  sender.port?.postMessage({ block } satisfies Credit)
}

function batchOf({ memory, length, head }: ToReceiver & { kind: 'rows' }): Batch {
  const body = { kind: 'bytes', buffer: Buffer.from(memory), length, separator: 0 } as const
  // Positions stay in the lane that read the rows.
  return { kind: 'batch', split: '', from: {}, next: {}, body, ...head, release: () => undefined }
}
