import { MillraceError } from '../../core/errors.ts'

const HALF = 2 ** 31

/**
 * What a snapshot sees, as `pg_current_snapshot()` writes it: `xmin:xmax:xip,…` with ids of 64 bits. A transaction is seen
 * when it has ended before the snapshot was taken. A place in the WAL tells nothing about that: a commit is written before
 * others see it.
 */
export class Snapshot {
  readonly text: string
  readonly #xmin: bigint
  readonly #xmax: bigint
  readonly #running: ReadonlySet<bigint>

  constructor(text: string) {
    const match = /^(\d+):(\d+):([\d,]*)$/.exec(text)
    if (match === null) throw new MillraceError(`"${text}" is no snapshot of Postgres`, { code: 'STORE_CORRUPT' })
    this.text = text
    this.#xmin = BigInt(match[1] ?? '')
    this.#xmax = BigInt(match[2] ?? '')
    this.#running = new Set((match[3] ?? '').split(',').filter(Boolean).map(BigInt))
  }

  get xmin(): bigint {
    return this.#xmin
  }

  get xmax(): bigint {
    return this.#xmax
  }

  /** Whether a committed transaction is seen. `xid` has 32 bits, and is less than 2^31 ids away from the snapshot. */
  sees(xid: number): boolean {
    const id = this.#whole(xid)
    if (id < this.#xmin) return true
    return id < this.#xmax && !this.#running.has(id)
  }

  /** The id with its epoch: the one that is nearest to the snapshot. */
  #whole(xid: number): bigint {
    const low = Number(this.#xmax & 0xffffffffn)
    let away = xid - low
    if (away >= HALF) away -= 2 * HALF
    if (away < -HALF) away += 2 * HALF
    return this.#xmax + BigInt(away)
  }
}
