import { GtidSet } from './gtid-set.ts'
import { MariadbPosition } from './mariadb-position.ts'
import { hasReached, type BinlogPlace } from './position.ts'

/** What a log calls a transaction: its GTID, or without GTIDs the end of its first event. */
export type TransactionName =
  | { readonly kind: 'mysql'; readonly origin: string; readonly number: bigint }
  | { readonly kind: 'mariadb'; readonly domain: number; readonly sequence: bigint }
  | { readonly kind: 'file'; readonly file: string; readonly position: number }

/** Tells which transactions of a log lie before a place of it. */
export class ReadBefore {
  readonly #place: BinlogPlace
  readonly #set: GtidSet | undefined
  readonly #domains: MariadbPosition | undefined

  constructor(place: BinlogPlace) {
    this.#place = place
    if (place.gtid === undefined) return
    if (place.flavour === 'mysql') this.#set = GtidSet.parse(place.gtid)
    else this.#domains = MariadbPosition.parse(place.gtid)
  }

  has(transaction: TransactionName): boolean {
    switch (transaction.kind) {
      case 'mysql':
        return this.#set?.has(transaction.origin, transaction.number) === true
      case 'mariadb':
        return (this.#domains?.sequenceOf(transaction.domain) ?? -1n) >= transaction.sequence
      case 'file':
        return !hasReached(transaction, this.#place)
    }
  }

  /** Whether all that lies before our place lies before this one, too. */
  isReachedBy(place: BinlogPlace): boolean {
    if (place.gtid === undefined) return hasReached(place, this.#place)
    if (this.#set !== undefined) return GtidSet.parse(place.gtid).contains(this.#set)
    return this.#domains?.aheadOf(MariadbPosition.parse(place.gtid)).length === 0
  }
}
