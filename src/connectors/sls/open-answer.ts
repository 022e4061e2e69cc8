import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { DamagedAnswer, LogReader, unpack, type AnswerMemory, type PulledLogs } from '../../clients/sls/index.ts'
import { expired } from './lost.ts'
import type { LogPlace } from './poison.ts'
import type { ShardFeed } from './shard-feed.ts'
import { positionAt, positionToJson } from './split.ts'

/** What one answer after the other is read with. */
export interface AnswerTools {
  readonly logs: LogReader
  readonly memory: Buffer | undefined
  readonly quick: AnswerMemory | undefined
}

/**
 * An answer with groups that was unpacked and checked, while it is given out log by log. The service skips what has
 * expired without a word, so the number of the first group is compared with the one that was asked for.
 */
export class OpenAnswer {
  readonly feed: ShardFeed
  /** Its whole bytes, whose memory is used again. */
  readonly memory: Buffer
  /** Everything that is wanted of the split lies before the end of this answer. */
  readonly reachesEnd: boolean
  readonly #pulled: PulledLogs
  readonly #logs: LogReader
  /** How far the answer's first group lies behind its cursor. */
  readonly #base: number
  /** Groups of the answer, counted from 0, that are wanted. */
  readonly #groupEnd: number

  /**
   * Puts the reader on the first log that is wanted.
   *
   * @throws DamagedAnswer when the answer cannot be used, MillraceError POSITION_LOST when logs expired before it.
   */
  constructor(feed: ShardFeed, pulled: PulledLogs, { logs, memory, quick }: AnswerTools) {
    const { cursorNumber, wanted, untilNumber } = feed
    const { first } = pulled
    if (first !== undefined && wanted !== undefined && first > wanted) throw expired(feed.split, { wanted, first })
    this.#base = first === undefined || cursorNumber === undefined ? 0 : Number(first - cursorNumber)
    if (this.#base < 0) throw new DamagedAnswer('it begins before its cursor')
    this.feed = feed
    this.#pulled = pulled
    this.#logs = logs
    const raw = unpack(pulled, memory, quick)
    this.memory = raw.memory
    try {
      logs.load(this.memory, pulled.rawBytes, pulled.groups, raw.counted)
    } catch (cause) {
      throw new DamagedAnswer(`it is no list of log groups: ${(cause as Error).message}`, { cause })
    }
    this.#groupEnd = Number.POSITIVE_INFINITY
    if (feed.until !== undefined) {
      if (untilNumber === undefined || first === undefined) throw uncountable(feed)
      this.#groupEnd = Number(untilNumber - first)
    }
    this.reachesEnd = this.#groupEnd <= pulled.groups
    logs.seek(feed.position.group - this.#base, feed.position.log)
  }

  get split(): string {
    return this.feed.assignment.split
  }

  get shard(): number {
    return this.feed.shard
  }

  get isTraced(): boolean {
    return this.feed.assignment.isTraced === true
  }

  /** The number of the answer's first group; 0 where the service tells none. */
  get firstGroup(): bigint {
    return this.#pulled.first ?? 0n
  }

  get isUsedUp(): boolean {
    return !this.#logs.hasLog || this.#logs.group >= this.#groupEnd
  }

  /** Where a batch ends that begins at the current log. A traced one has a single group, so that its place says all. */
  get groupEnd(): number {
    return this.isTraced ? this.#logs.group + 1 : this.#groupEnd
  }

  /** Where the position stands that follows the answer: before this, the next pull goes on behind it. */
  get next(): ReturnType<typeof positionAt> {
    const { position } = this.feed
    const left = position.group - this.#base - this.#pulled.groups
    // All of it lay before the position: what is left to skip is counted from the next cursor.
    return left > 0 || (left === 0 && position.log > 0)
      ? { cursor: this.#pulled.next, group: left, log: position.log }
      : positionAt(this.#pulled.next)
  }

  /** The current log, for `placeOf`. */
  get place(): { readonly index: number; readonly log: number; readonly group: bigint | undefined } {
    const { group: index, log } = this.#logs
    return { index, log, group: this.#pulled.first === undefined ? undefined : this.#pulled.first + BigInt(index) }
  }

  /** The positions of a batch that was just gathered. */
  takePositions(): { readonly from: JsonObject; readonly next: JsonObject } {
    const from = this.feed.emitted
    this.feed.emitted = this.#position()
    return { from, next: this.feed.emitted }
  }

  /** The log that is so many rows behind another one. */
  placeOf({ index, log }: { readonly index: number; readonly log: number }, row: number): LogPlace {
    const again = new LogReader()
    again.load(this.memory, this.#pulled.rawBytes, this.#pulled.groups)
    again.seek(index, log)
    for (let passed = 0; passed < row; passed++) again.next()
    const { first, cursor } = this.#pulled
    const group = first === undefined ? undefined : first + BigInt(again.group)
    return { split: this.feed.split, cursor, group, log: again.log }
  }

  #position(): JsonObject {
    const { group, log } = this.#logs
    if (!this.isUsedUp) return positionToJson({ cursor: this.#pulled.cursor, group: this.#base + group, log })
    if (!this.reachesEnd) return positionToJson(positionAt(this.#pulled.next))
    assert(this.feed.assignment.until !== undefined, 'a split that reaches its end has one')
    return this.feed.assignment.until
  }
}

function uncountable({ split }: ShardFeed): MillraceError {
  return new MillraceError(
    `SLS logstore ${split.logstore} shard ${split.shard}: its cursors are no numbers, so nobody can tell where a bounded read ends: set end: never`,
    { code: 'CONFIG', retry: 'halt' },
  )
}
