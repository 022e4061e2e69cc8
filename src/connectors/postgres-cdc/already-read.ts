import { Snapshot, type Lsn } from '../../clients/postgres-replication/index.ts'
import type { CompareKeys } from './key-order.ts'
import type { KeyText, WalTable } from './split.ts'

interface Part {
  readonly lo: KeyText | undefined
  readonly seen: readonly { readonly after: KeyText | undefined; readonly snapshot: Snapshot }[]
}

/**
 * Tells which changes the chunks of a table hold already: those of transactions that the snapshot saw by which the row of
 * their key was read. Everything else is new, so that each change comes once, from one side or the other.
 */
export class AlreadyRead {
  readonly #high: Lsn
  readonly #parts: readonly Part[]
  readonly #compare: CompareKeys | undefined

  constructor({ chunks, high }: Pick<WalTable, 'chunks' | 'high'>, compare: CompareKeys | undefined) {
    this.#high = high
    this.#compare = compare
    this.#parts = chunks.map(({ lo, seen }) => ({
      lo: lo === undefined ? undefined : [lo],
      seen: seen.map(({ after, snapshot }) => ({ after, snapshot: new Snapshot(snapshot) })),
    }))
  }

  /** Nothing that commits at this place or behind it is in a chunk. */
  isOver(lsn: Lsn): boolean {
    return lsn > this.#high
  }

  has(xid: number, key: KeyText): boolean {
    const part = this.#parts.findLast(({ lo }) => lo === undefined || this.#order(key, lo) >= 0)
    const seen = part?.seen.findLast(({ after }) => after === undefined || this.#order(key, after) > 0)
    return seen?.snapshot.sees(xid) === true
  }

  /** Without an order there is one chunk, and what saw its first row counts: later changes are read twice, not lost. */
  #order(key: KeyText, other: KeyText): number {
    return this.#compare?.(key, other) ?? -1
  }
}
