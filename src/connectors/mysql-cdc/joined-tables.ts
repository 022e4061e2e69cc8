import { ReadBefore, type BinlogPlace, type TransactionName } from '../../clients/mysql-replication/index.ts'
import { isIn, isNamed, type LogReads } from './log-reads.ts'
import { isWanted, type MysqlCdcOptions } from './options.ts'

/**
 * The tables that the transaction is read for which is there now. Usually all that are asked for; while tables that joined
 * catch up with the others, those alone.
 */
export class JoinedTables {
  readonly #isWanted: (database: string, name: string) => boolean
  /** Several tables by patterns; one table has no lists. */
  readonly #hasLists: boolean
  readonly #before: ReadBefore | undefined
  #reads: LogReads
  #isRepeated = false

  constructor(options: MysqlCdcOptions, reads: LogReads) {
    this.#isWanted = isWanted(options)
    this.#hasLists = options.tables !== undefined
    this.#reads = narrowed(reads, options.tables)
    this.#before = reads.ahead === undefined ? undefined : new ReadBefore(reads.ahead.place)
  }

  /** For positions. */
  get reads(): LogReads {
    return this.#reads
  }

  /** Those that are held from here on are not read any more. */
  hold(patterns: readonly string[], place: LogReads['held'][string]): void {
    const held = { ...this.#reads.held, ...Object.fromEntries(patterns.map((pattern) => [pattern, place])) }
    this.#reads = { ...this.#reads, held }
  }

  isRead(database: string, name: string): boolean {
    if (!this.#isWanted(database, name)) return false
    const table = `${database}.${name}`
    const { lists, held, ahead } = this.#reads
    if (isNamed(Object.keys(held), table)) return false
    if (this.#hasLists && !isIn({ lists, held: [] }, table)) return false
    if (!this.#isRepeated || ahead === undefined) return true
    return !isIn({ lists: this.#hasLists ? ahead.lists : [], held: ahead.held }, table)
  }

  /** A transaction begins behind `place`. True: it is read for other tables than the one before. */
  begin(transaction: TransactionName | undefined, place: BinlogPlace): boolean {
    if (this.#reads.ahead === undefined || transaction === undefined) return false
    const was = this.#isRepeated
    this.#isRepeated = this.#before?.has(transaction) === true
    if (!this.#isRepeated) this.passed(place)
    return was !== this.#isRepeated
  }

  /** Everything before `place` was read: the tables that joined may have caught up. */
  passed(place: BinlogPlace): void {
    if (this.#before?.isReachedBy(place) !== true || this.#reads.ahead === undefined) return
    const { ahead: _ahead, ...reads } = this.#reads
    this.#reads = reads
  }
}

/** A table that is not asked for any more is not read from here on, and was not read when it is asked for again. */
function narrowed(reads: LogReads, wanted: readonly string[] | undefined): LogReads {
  const last = reads.lists.at(-1) ?? []
  if (wanted === undefined || last.every((pattern) => wanted.includes(pattern))) return reads
  return { ...reads, lists: [...reads.lists, wanted] }
}
