import type { Lsn, Slot } from '../../clients/postgres-replication/index.ts'

interface Look {
  readonly end: Lsn
  /** Milliseconds. */
  readonly at: number
}

/** How long a slot still has until the server gives up the log that it needs, by how fast the log has grown lately. */
export class Headroom {
  #last: Look | undefined

  /** In seconds; undefined where nothing limits the slot, and until the log was seen to grow. */
  look(slot: Slot | undefined, end: Lsn, now: number): number | undefined {
    const last = this.#last
    // A look that is too near says little about the rate.
    if (last === undefined || now - last.at >= 1000) this.#last = { end, at: now }
    if (slot?.safeBytes === undefined || last === undefined || end <= last.end || now <= last.at) return undefined
    const bytesPerSecond = (Number(end - last.end) * 1000) / (now - last.at)
    return Math.max(0, slot.safeBytes) / bytesPerSecond
  }
}
