/** One is open, one is being committed, and one is spare. */
const SLOTS = 3

/**
 * Hands out the numbers of transactional ids. A number is free again when everything that was prepared under it is
 * committed: beginning another transaction under it would abort what is not.
 */
export class Slots {
  /** Transactions that are not committed yet, by the slot of their checkpoint; `undefined` while nobody has counted them. */
  readonly #open = new Map<number, number | undefined>()
  #epoch = 0

  /** A number that is free in this epoch. Checkpoints beside each other take different ones, whoever hands them out. */
  take(epoch: number, checkpoint: number): number {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch
      this.#open.clear()
    }
    let slot = checkpoint % SLOTS
    while (this.#open.has(slot)) slot += SLOTS
    this.#open.set(slot, undefined)
    return slot
  }

  /** So many transactions were prepared under the number. */
  prepared(epoch: number, slot: number, count: number): void {
    if (epoch !== this.#epoch || !this.#open.has(slot)) return
    if (count === 0) this.#open.delete(slot)
    else this.#open.set(slot, count)
  }

  /** One of them is committed. */
  committed(epoch: number, slot: number): void {
    const left = this.#open.get(slot)
    if (epoch !== this.#epoch || left === undefined) return
    if (left <= 1) this.#open.delete(slot)
    else this.#open.set(slot, left - 1)
  }
}
