import type { MessagePort } from 'node:worker_threads'
import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import { SharedBlocks, thrownAway } from '../shared-blocks.ts'
import type { Credit, Mark, ToReceiver } from './messages.ts'
import type { ExchangeReceiver } from './receiver.ts'

/** Pieces of one edge that may be under way at a time. */
const IN_FLIGHT = 3

/** The way from one sender to one lane. Calls never overlap. */
export interface Outlet {
  /** Rows stay in this lane. */
  readonly isLocal: boolean
  begin(attempt: number): void
  /** Takes the batch; resolves when there is room for it on the way. */
  send(batch: Batch): Promise<void>
  mark(mark: Mark): void
  cut(checkpoint: CheckpointId): void
  /** Whoever waits for room lets go. */
  rollback(): void
  close(): void
}

/** To another lane: bytes, copied into shared memory. */
export class RemoteOutlet implements Outlet {
  readonly isLocal = false
  readonly #port: MessagePort
  readonly #blocks = new SharedBlocks(IN_FLIGHT)
  #attempt = 0
  #rows = 0

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', ({ block }: Credit) => this.#blocks.giveBack(block))
  }

  begin(attempt: number): void {
    this.#attempt = attempt
    this.#rows = 0
  }

  async send(batch: Batch): Promise<void> {
    const { body, rows, bytes } = batch
    assert(body.kind === 'bytes', 'only bytes travel between lanes')
    const attempt = this.#attempt
    try {
      const { block, memory } = await this.#blocks.copy(body.buffer.subarray(0, body.length))
      this.#rows += rows
      this.#post({ kind: 'rows', attempt, block, memory, length: body.length, head: { rows, bytes } })
    } finally {
      batch.release()
    }
  }

  mark(mark: Mark): void {
    this.#post({ kind: 'mark', attempt: this.#attempt, mark })
  }

  cut(checkpoint: CheckpointId): void {
    this.#post({ kind: 'cut', attempt: this.#attempt, checkpoint, rows: this.#rows })
    this.#rows = 0
  }

  rollback(): void {
    this.#blocks.letGo()
  }

  close(): void {
    this.#blocks.letGo()
    this.#port.close()
  }

  #post(message: ToReceiver): void {
    this.#port.postMessage(message)
  }
}

/** To our own lane: the batch itself. */
export class LocalOutlet implements Outlet {
  readonly isLocal = true
  readonly #receiver: ExchangeReceiver
  readonly #lane: number
  #attempt = 0
  #rows = 0
  #underWay = 0
  #room = Promise.withResolvers<void>()

  constructor(receiver: ExchangeReceiver, lane: number) {
    this.#receiver = receiver
    this.#lane = lane
    this.#room.promise.catch(() => undefined)
  }

  begin(attempt: number): void {
    this.#attempt = attempt
    this.#rows = 0
  }

  async send(batch: Batch): Promise<void> {
    try {
      while (this.#underWay >= IN_FLIGHT) await this.#room.promise
    } catch (thrown) {
      batch.release()
      throw thrown
    }
    this.#underWay += 1
    this.#rows += batch.rows
    this.#receiver.take(this.#lane, { kind: 'batch', attempt: this.#attempt, batch, taken: () => this.#taken() })
  }

  mark(mark: Mark): void {
    this.#receiver.take(this.#lane, { kind: 'mark', attempt: this.#attempt, mark })
  }

  cut(checkpoint: CheckpointId): void {
    this.#receiver.take(this.#lane, { kind: 'cut', attempt: this.#attempt, checkpoint, rows: this.#rows })
    this.#rows = 0
  }

  rollback(): void {
    this.#room.reject(thrownAway())
    this.#newRoom()
  }

  close(): void {
    this.rollback()
  }

  #taken(): void {
    this.#underWay -= 1
    this.#room.resolve()
    this.#newRoom()
  }

  #newRoom(): void {
    this.#room = Promise.withResolvers<void>()
    this.#room.promise.catch(() => undefined)
  }
}
