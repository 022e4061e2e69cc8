import type { CheckpointId, RunEpoch } from '../core/checkpoint-types.ts'
import type { Tickets } from './messages.ts'

/** Tickets are made one checkpoint ahead where nothing is urgent, so that a barrier need not wait for a server. */
export class NextTickets {
  readonly #make: (checkpoint: CheckpointId, epoch: RunEpoch) => Promise<Tickets>
  #next: { readonly checkpoint: CheckpointId; readonly tickets: Promise<Tickets> } | undefined

  constructor(make: (checkpoint: CheckpointId, epoch: RunEpoch) => Promise<Tickets>) {
    this.#make = make
  }

  /** Those of another epoch are of no use. */
  forget(): void {
    this.#next = undefined
  }

  of(checkpoint: CheckpointId, epoch: RunEpoch): Promise<Tickets> {
    if (this.#next?.checkpoint !== checkpoint) {
      const tickets = this.#make(checkpoint, epoch)
      // Whoever waits for them hears of it.
      tickets.catch(() => undefined)
      this.#next = { checkpoint, tickets }
    }
    return this.#next.tickets
  }
}
