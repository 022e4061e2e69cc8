import type { Batch } from '../../core/batch.ts'
import type { Clock } from '../../core/context.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import { thrownAway } from '../shared-blocks.ts'
import { notConnected, type Enter } from './enter.ts'
import type { Mark } from './messages.ts'
import type { Outlet } from './outlet.ts'

/** A piece of fewer rows waits for more of them, but not for long. */
const ROWS = 50_000
const BYTES = 16 * 1024 * 1024
const LINGER_MS = 50

/** Rows on their way to one lane. */
export interface Parcel {
  readonly lane: number
  readonly batch: Batch
}

/** Decides where rows go. */
export interface Router {
  /**
   * The rows as parcels, in order for each lane: bytes for other lanes, any body for our own. Takes the batches over.
   * A parcel may lie in memory that the next one uses.
   */
  route(batches: readonly Batch[]): AsyncIterable<Parcel>
}

export interface SenderOptions {
  /** One for each lane, our own included. */
  readonly outlets: readonly Outlet[]
  readonly router: Router
  readonly clock: Clock
  /** Told of errors that no call hears of. */
  readonly failed: (error: unknown) => void
}

/**
 * The end of an exchange in the lane that rows come from. Batches are gathered, because small pieces cost as much as
 * large ones, and shared out to the lanes. All calls are made inside the stage in front of the exchange.
 */
export class ExchangeSender {
  readonly #options: SenderOptions
  #enter: Enter = notConnected
  #gathered: Batch[] = []
  #rows = 0
  #bytes = 0
  #isOpen = false
  #sent = { kept: 0, moved: 0 }
  #cancel: (() => void) | undefined

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** The stage whose turn a timer asks for. */
  connect(enter: Enter): void {
    this.#enter = enter
  }

  begin(attempt: number): void {
    for (const outlet of this.#options.outlets) outlet.begin(attempt)
    this.#isOpen = true
  }

  /** Takes the batch; resolves when there is room for more. */
  async send(batch: Batch): Promise<void> {
    if (!this.#isOpen) {
      batch.release()
      throw thrownAway()
    }
    this.#gathered.push(batch)
    this.#rows += batch.rows
    this.#bytes += batch.bytes
    if (this.#rows >= ROWS || this.#bytes >= BYTES) await this.#flush()
    else this.#cancel ??= this.#options.clock.after(LINGER_MS, () => this.#linger())
  }

  async mark(mark: Mark): Promise<void> {
    await this.#flush()
    for (const outlet of this.#options.outlets) outlet.mark(mark)
  }

  /** Everything that was taken is on its way: now the barrier can follow. */
  flush(): Promise<void> {
    return this.#flush()
  }

  cut(checkpoint: CheckpointId): void {
    for (const outlet of this.#options.outlets) outlet.cut(checkpoint)
  }

  rollback(): void {
    this.#isOpen = false
    this.#stopWaiting()
    for (const batch of this.#take()) batch.release()
    for (const outlet of this.#options.outlets) outlet.rollback()
  }

  /** Rows that stayed in this lane and that went to others, since the last call. */
  sent(): { readonly kept: number; readonly moved: number } {
    const sent = this.#sent
    this.#sent = { kept: 0, moved: 0 }
    return sent
  }

  close(): void {
    this.rollback()
    for (const outlet of this.#options.outlets) outlet.close()
  }

  async #flush(): Promise<void> {
    this.#stopWaiting()
    const batches = this.#take()
    if (batches.length === 0) return
    for await (const { lane, batch } of this.#options.router.route(batches)) {
      const outlet = this.#isOpen ? this.#options.outlets[lane] : undefined
      if (outlet === undefined) {
        batch.release()
        throw thrownAway()
      }
      this.#sent[outlet.isLocal ? 'kept' : 'moved'] += batch.rows
      await outlet.send(batch)
    }
  }

  #take(): Batch[] {
    const batches = this.#gathered
    this.#gathered = []
    this.#rows = 0
    this.#bytes = 0
    return batches
  }

  #stopWaiting(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #linger(): void {
    this.#cancel = undefined
    this.#enter(() => this.#flush()).catch((error: unknown) => {
      if (this.#isOpen) this.#options.failed(error)
    })
  }
}
