import type { Batch, Item } from '../../core/batch.ts'
import type { Logger } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Schema } from '../../core/schema.ts'
import type { SplitAssignment } from '../../core/source.ts'
import {
  CHANGE,
  readBegin,
  readCommitEnd,
  readRelation,
  readTruncate,
  roomFor,
  Tuple,
  TUPLE,
  UNCHANGED,
  writeRow,
  type Begin,
  type LineTarget,
  type PgConnection,
  type PgTable,
  type ReplicationStream,
  type Supplied,
  type TypeCatalog,
} from '../../clients/postgres-replication/index.ts'
import { AlreadyRead } from './already-read.ts'
import { changeTail, microsText, type Op } from './change-tail.ts'
import type { FeedOptions } from './chunk-feed.ts'
import { currentValues } from './current-rows.ts'
import { keyOrder } from './key-order.ts'
import { hasRoom } from './line-pool.ts'
import { poisoned } from './poison.ts'
import { FollowedTable } from './followed-table.ts'
import { walPositionFromJson, walPositionToJson, walSpecFromJson, type KeyText, type WalPosition } from './split.ts'

/** An idle log is passed over at least so often, so that the server can forget it. */
const PASS_OVER_MS = 5000
const GATHER_MS = 2

export interface WalOptions extends FeedOptions {
  readonly schema: Schema | undefined
  readonly log: Logger
  readonly unchangedValues: 'reread' | 'fail'
  readonly truncate: 'fail' | 'ignore'
}

export interface WalSources {
  readonly stream: ReplicationStream
  readonly catalog: TypeCatalog
  readonly table: PgTable
  /** For looking up types and rows. */
  readonly lookup: PgConnection
}

/** What has to be waited for before the same message can be read again. */
type Need = () => Promise<void>

/**
 * Follows the changes of one table. Each transaction comes whole, after its commit; what the chunks of the initial read
 * hold is left out. A batch may end inside a transaction: the server repeats it from its beginning, in the same order.
 */
export class WalFeed {
  readonly split: string
  readonly #sources: WalSources
  readonly #options: WalOptions
  readonly #alreadyRead: AlreadyRead
  readonly #followed: FollowedTable
  readonly #fresh = new Tuple()
  readonly #old = new Tuple()
  #position: WalPosition
  #emitted: JsonObject
  #begin: Begin | undefined
  #time = ''
  /** Changes of the open transaction, of all tables, that were passed. */
  #index = 0
  #need: Need | undefined
  #supplied: { readonly index: number; readonly values: Supplied | undefined } | undefined
  /** Not yet: that the log has begun is worth a checkpoint. */
  #passedOverAt: number = Number.NEGATIVE_INFINITY

  constructor(assignment: SplitAssignment, sources: WalSources, options: WalOptions) {
    const { table, catalog } = sources
    this.split = assignment.split
    this.#sources = sources
    this.#options = options
    this.#position = { ...walPositionFromJson(assignment.at), timeline: sources.stream.timeline }
    this.#emitted = assignment.at
    this.#alreadyRead = new AlreadyRead(walSpecFromJson(assignment.spec), keyOrder(table.key))
    this.#followed = new FollowedTable(table, catalog, options.schema, options.log)
  }

  /** Where the next transaction begins that is wanted. */
  static startOf({ at }: SplitAssignment): bigint {
    return walPositionFromJson(at).lsn
  }

  async poll(signal: AbortSignal, waitMs: number): Promise<readonly Item[]> {
    const target = this.#options.pool.take()
    let why = await this.#fill(target)
    if (why === 'waits') {
      await this.#sources.stream.more(target.rows === 0 ? waitMs : GATHER_MS, signal)
      if (!signal.aborted) why = await this.#fill(target)
    }
    if (target.rows > 0) return [this.#batch(target), ...(why === 'large' ? await this.#large() : [])]
    this.#options.pool.give(target)
    return why === 'large' ? await this.#large() : this.#passOver()
  }

  confirm(lsn: bigint): void {
    this.#sources.stream.confirm(lsn)
  }

  close(): void {
    this.#sources.stream.close()
    this.#sources.lookup.close()
  }

  /** The position moves on where the log does, also without anything of ours. */
  #passOver(): Item[] {
    const { caughtUp } = this.#sources.stream
    if (this.#begin === undefined && caughtUp > this.#position.lsn) {
      this.#position = { ...this.#position, lsn: caughtUp, row: 0 }
    }
    const now = performance.now()
    if (now - this.#passedOverAt < PASS_OVER_MS) return []
    this.#passedOverAt = now
    const next = walPositionToJson(this.#position)
    if (JSON.stringify(next) === JSON.stringify(this.#emitted)) return []
    this.#emitted = next
    return [{ kind: 'idle', split: this.split, next }]
  }

  async #fill(target: LineTarget): Promise<'waits' | 'full' | 'large'> {
    for (;;) {
      const why = this.#fillUntil(target)
      const need = this.#need
      if (why !== 'needs' || need === undefined) return why === 'needs' ? 'waits' : why
      this.#need = undefined
      await need()
    }
  }

  /** Takes messages until the target is full, none is left, or something has to be looked up. */
  #fillUntil(target: LineTarget): 'waits' | 'full' | 'large' | 'needs' {
    const { stream } = this.#sources
    while (stream.next()) {
      const result = this.#take(stream.bytes, stream.at, stream.end, target)
      if (result === 'taken') continue
      stream.unread()
      if (result === 'needs') return 'needs'
      return target.rows === 0 ? 'large' : 'full'
    }
    return 'waits'
  }

  async #large(): Promise<Item[]> {
    const { stream } = this.#sources
    stream.next()
    const room = 2 * roomFor(this.#followed.shape, stream.end - stream.at, this.#suppliedBytes)
    stream.unread()
    const target = this.#options.pool.make(room)
    await this.#fill(target)
    return [this.#batch(target)]
  }

  #take(bytes: Buffer, at: number, end: number, target: LineTarget): 'taken' | 'full' | 'needs' {
    switch (bytes[at]) {
      case CHANGE.begin:
        this.#begin = readBegin(bytes, at)
        this.#time = microsText(this.#begin.micros)
        this.#index = 0
        return 'taken'
      case CHANGE.commit:
        this.#commit(readCommitEnd(bytes, at))
        return 'taken'
      case CHANGE.relation:
        this.#need = this.#followed.take(readRelation(bytes, at), this.#sources.lookup)
        return this.#need === undefined ? 'taken' : 'needs'
      case CHANGE.insert:
      case CHANGE.update:
      case CHANGE.delete:
        return this.#change(bytes, at, end, target)
      case CHANGE.truncate:
        this.#truncate(readTruncate(bytes, at))
        return 'taken'
      default:
        return 'taken'
    }
  }

  #commit(end: bigint): void {
    this.#begin = undefined
    if (end > this.#position.lsn) this.#position = { ...this.#position, lsn: end, row: 0 }
  }

  /** The transaction, unless the change was given out before the position. */
  get #wanted(): Begin | undefined {
    const begin = this.#begin
    if (begin === undefined || begin.lsn < this.#position.lsn) return undefined
    return begin.lsn === this.#position.lsn && this.#index < this.#position.row ? undefined : begin
  }

  #change(bytes: Buffer, at: number, end: number, target: LineTarget): 'taken' | 'full' | 'needs' {
    const begin = this.#wanted
    if (begin === undefined || !this.#followed.is(bytes.readUInt32BE(at + 1))) {
      this.#passed()
      return 'taken'
    }
    // An update of the key makes two rows of one message.
    if (!hasRoom(target, 2 * roomFor(this.#followed.shape, end - at, this.#suppliedBytes))) return 'full'
    const kind = bytes[at]
    const place = at + 5
    if (kind === CHANGE.insert) {
      this.#fresh.readTupleData(bytes, place + 1)
      this.#write(begin, 'c', this.#fresh, bytes, target)
    } else if (kind === CHANGE.delete) {
      this.#old.readTupleData(bytes, place + 1)
      this.#write(begin, 'd', this.#old, bytes, target)
    } else if (!this.#update(begin, bytes, place, target)) return 'needs'
    this.#passed()
    return 'taken'
  }

  /** False when values have to be looked up first. */
  #update(begin: Begin, bytes: Buffer, place: number, target: LineTarget): boolean {
    let at = place
    const kind = bytes[at]
    const hasOld = kind === TUPLE.key || kind === TUPLE.old
    if (hasOld) at = this.#old.readTupleData(bytes, at + 1)
    const fresh = this.#fresh
    fresh.readTupleData(bytes, at + 1)
    if (kind === TUPLE.old) fresh.fillFrom(this.#old)
    const supplied = this.#supplied?.index === this.#index ? this.#supplied : undefined
    if (fresh.hasUnchanged && supplied === undefined) {
      // What a chunk holds is left out, and needs no values.
      if (!this.#isRead(begin, fresh, bytes)) return this.#lookUp(bytes)
      if (hasOld && this.#isMoved(bytes)) this.#write(begin, 'd', this.#old, bytes, target)
      return true
    }
    this.#supplied = undefined
    const isMoved = hasOld && this.#isMoved(bytes)
    if (isMoved) this.#write(begin, 'd', this.#old, bytes, target)
    // The row is gone since: what follows deletes it.
    if (supplied !== undefined && supplied.values === undefined) return true
    this.#write(begin, isMoved ? 'c' : 'u', fresh, bytes, target, supplied?.values)
    return true
  }

  /** A row that got another key leaves its old place. Without a key every update is a row less and a row more. */
  #isMoved(bytes: Buffer): boolean {
    const { key } = this.#followed.shape
    return key.length === 0 || !key.every((column) => this.#fresh.isSame(column, this.#old, bytes))
  }

  /** Returns false: the message has to be read again. */
  #lookUp(bytes: Buffer): false {
    const { table, sourceColumns } = this.#followed
    const what = `table ${table.schema}.${table.name}`
    if (this.#options.unchangedValues === 'fail') {
      const message = `${what}: an update left out large values that it did not change. ALTER TABLE … REPLICA IDENTITY FULL puts them into the log; unchangedValues: reread takes them from the table`
      throw new MillraceError(message, { code: 'SCHEMA', retry: 'halt' })
    }
    const key = this.#keyOf(this.#fresh, bytes)
    const columns = sourceColumns.flatMap((column, index) =>
      this.#fresh.starts[index] === UNCHANGED ? [[index, column] as const] : [],
    )
    const index = this.#index
    this.#need = async () => {
      const values = await currentValues(this.#sources.lookup, table, { key, columns })
      this.#supplied = { index, values }
    }
    return false
  }

  get #suppliedBytes(): number {
    let bytes = 0
    for (const value of this.#supplied?.values?.values() ?? []) bytes += value.length
    return bytes
  }

  #write(begin: Begin, op: Op, tuple: Tuple, bytes: Buffer, target: LineTarget, supplied?: Supplied): void {
    if (this.#isRead(begin, tuple, bytes)) return
    const { tail, unspeakable } = this.#options
    const { shape, table } = this.#followed
    const end = changeTail(tail, { op, lsn: begin.lsn, index: this.#index, time: this.#time })
    try {
      writeRow(shape, tuple, bytes, target, end, { unspeakable, supplied })
    } catch (error) {
      throw poisoned(error, table, shape, `transaction ${begin.xid}`)
    }
  }

  #isRead({ lsn, xid }: Begin, tuple: Tuple, bytes: Buffer): boolean {
    return !this.#alreadyRead.isOver(lsn) && this.#alreadyRead.has(xid, this.#keyOf(tuple, bytes))
  }

  #keyOf(tuple: Tuple, bytes: Buffer): KeyText {
    return this.#followed.shape.key.map((column) => tuple.text(column, bytes) ?? '')
  }

  #passed(): void {
    this.#index++
    const begin = this.#begin
    if (begin === undefined || begin.lsn < this.#position.lsn) return
    if (begin.lsn > this.#position.lsn || this.#index > this.#position.row) {
      this.#position = { ...this.#position, lsn: begin.lsn, row: this.#index }
    }
  }

  #truncate(oids: readonly number[]): void {
    const isOurs = oids.some((oid) => this.#followed.is(oid))
    if (!isOurs || this.#wanted === undefined || this.#options.truncate === 'ignore') return this.#passed()
    const { schema, name } = this.#followed.table
    throw new MillraceError(
      `table ${schema}.${name} was truncated in transaction ${this.#begin?.xid}: nothing can follow that yet. Empty the ` +
        'target as well and start with truncate: ignore, or begin anew under another `name`',
      { code: 'SCHEMA', retry: 'halt' },
    )
  }

  #batch(target: LineTarget): Batch {
    const { pool } = this.#options
    const from = this.#emitted
    this.#emitted = walPositionToJson(this.#position)
    this.#passedOverAt = performance.now()
    return {
      kind: 'batch',
      split: this.split,
      from,
      next: this.#emitted,
      body: {
        kind: 'bytes',
        buffer: target.buffer,
        length: target.length,
        separator: target.separator,
        ends: target.ends,
      },
      rows: target.rows,
      bytes: target.length,
      release: () => pool.give(target),
    }
  }
}
