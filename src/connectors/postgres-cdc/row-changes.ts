import { MillraceError } from '../../core/errors.ts'
import {
  CHANGE,
  Tuple,
  TUPLE,
  UNCHANGED,
  writeRow,
  type Begin,
  type LineTarget,
  type PgConnection,
  type Supplied,
} from '../../clients/postgres-replication/index.ts'
import { changeTail, microsText, plainTails, type Op } from './change-tail.ts'
import type { FeedOptions } from './chunk-feed.ts'
import { currentValues } from './current-rows.ts'
import type { FollowedTable } from './followed-table.ts'
import { poisoned } from './poison.ts'
import type { KeyText } from './split.ts'

export interface ChangeOptions extends FeedOptions {
  readonly unchangedValues: 'reread' | 'fail'
}

/** Where a message lies, and which change of which transaction it is. */
export interface ChangeMessage {
  readonly followed: FollowedTable
  readonly begin: Begin
  readonly index: number
  readonly bytes: Buffer
  readonly at: number
}

/** Writes inserts, updates and deletes as rows, except what the chunks of the initial read hold already. */
export class RowChanges {
  readonly #options: ChangeOptions
  readonly #lookup: PgConnection
  /** What follows each row, where it is always the same. */
  readonly #plainTails: Readonly<Record<Op, Buffer>> | undefined
  readonly #fresh = new Tuple()
  readonly #old = new Tuple()
  /** Values that were looked up for the message that is read again. */
  #supplied: { readonly values: Supplied | undefined } | undefined
  #time = { micros: -1n, text: '' }

  constructor(options: ChangeOptions, lookup: PgConnection) {
    this.#options = options
    this.#lookup = lookup
    this.#plainTails = plainTails(options.tail)
  }

  /** Bytes of values that the next message left out. */
  get suppliedBytes(): number {
    let bytes = 0
    for (const value of this.#supplied?.values?.values() ?? []) bytes += value.length
    return bytes
  }

  /** Writes the rows of one message, or says what has to be waited for before it can be read again. */
  take(message: ChangeMessage, target: LineTarget): (() => Promise<void>) | undefined {
    const { bytes, at } = message
    // Behind the kind and the table comes the kind of the first tuple.
    const place = at + 5
    switch (bytes[at]) {
      case CHANGE.insert:
        this.#fresh.readTupleData(bytes, place + 1)
        this.#write(message, 'c', this.#fresh, target)
        return undefined
      case CHANGE.delete:
        this.#old.readTupleData(bytes, place + 1)
        this.#write(message, 'd', this.#old, target)
        return undefined
      default:
        return this.#update(message, place, target)
    }
  }

  #update(message: ChangeMessage, place: number, target: LineTarget): (() => Promise<void>) | undefined {
    const { bytes } = message
    const fresh = this.#fresh
    const kind = bytes[place]
    const hasOld = kind === TUPLE.key || kind === TUPLE.old
    const at = hasOld ? this.#old.readTupleData(bytes, place + 1) : place
    fresh.readTupleData(bytes, at + 1)
    if (kind === TUPLE.old) fresh.fillFrom(this.#old)
    const supplied = this.#supplied
    // What a chunk holds is left out, and needs no values.
    const isLeftOut = fresh.hasUnchanged && this.#isRead(message, fresh)
    if (fresh.hasUnchanged && supplied === undefined && !isLeftOut) return this.#lookUp(message)
    this.#supplied = undefined
    const isMoved = hasOld && this.#isMoved(message)
    if (isMoved) this.#write(message, 'd', this.#old, target)
    // A row that is gone since was looked up in vain: what follows deletes it.
    const isGone = supplied !== undefined && supplied.values === undefined
    if (!isLeftOut && !isGone) this.#write(message, isMoved ? 'c' : 'u', fresh, target, supplied?.values)
    return undefined
  }

  /** A row that got another key leaves its old place. Without a key every update is a row less and a row more. */
  #isMoved({ followed, bytes }: ChangeMessage): boolean {
    const { key } = followed.shape
    return key.length === 0 || !key.every((column) => this.#fresh.isSame(column, this.#old, bytes))
  }

  #lookUp({ followed, bytes }: ChangeMessage): () => Promise<void> {
    const { table } = followed
    if (this.#options.unchangedValues === 'fail') throw leftOut(`table ${table.schema}.${table.name}`)
    const key = keyOf(followed, this.#fresh, bytes)
    const columns = followed.columns.flatMap((column, index) => {
      const form = followed.shape.columns[index]?.form
      return this.#fresh.starts[index] === UNCHANGED && form !== undefined ? [{ index, name: column.name, form }] : []
    })
    return async () => {
      this.#supplied = { values: await currentValues(this.#lookup, table, { key, columns }) }
    }
  }

  #write(message: ChangeMessage, op: Op, tuple: Tuple, target: LineTarget, supplied?: Supplied): void {
    if (this.#isRead(message, tuple)) return
    const { tail, unspeakable } = this.#options
    const { followed, begin, index, bytes } = message
    const end = this.#plainTails?.[op] ?? changeTail(tail, { op, lsn: begin.lsn, index, time: this.#timeOf(begin) })
    try {
      writeRow(followed.shape, tuple, bytes, target, end, { unspeakable, supplied })
    } catch (error) {
      throw poisoned(error, followed.table, followed.shape, `transaction ${begin.xid}`)
    }
  }

  #isRead({ followed, begin, bytes }: ChangeMessage, tuple: Tuple): boolean {
    const { alreadyRead } = followed
    return !alreadyRead.isOver(begin.lsn) && alreadyRead.has(begin.xid, keyOf(followed, tuple, bytes))
  }

  #timeOf({ micros }: Begin): string {
    if (this.#time.micros !== micros) this.#time = { micros, text: microsText(micros) }
    return this.#time.text
  }
}

function keyOf({ shape }: FollowedTable, tuple: Tuple, bytes: Buffer): KeyText {
  return shape.key.map((column) => tuple.text(column, bytes) ?? '')
}

function leftOut(what: string): MillraceError {
  const message =
    `${what}: an update left out large values that it did not change. ALTER TABLE … REPLICA IDENTITY FULL puts them ` +
    'into the log; unchangedValues: reread takes them from the table'
  return new MillraceError(message, { code: 'SCHEMA', retry: 'halt' })
}
