import type { SchemaChange } from '../../core/changes.ts'
import type { Batch, Item } from '../../core/batch.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment } from '../../core/source.ts'
import {
  CHANGE,
  readBegin,
  readCommitEnd,
  readRelation,
  readTruncate,
  roomFor,
  type Begin,
  type LineTarget,
  type Lsn,
  type PgConnection,
  type Relation,
  type ReplicationStream,
} from '../../clients/postgres-replication/index.ts'
import type { FollowedTable } from './followed-table.ts'
import type { FollowedTables } from './followed-tables.ts'
import { hasRoom } from './line-pool.ts'
import { RowChanges, type ChangeOptions } from './row-changes.ts'
import { tableKey } from './split.ts'
import type { Turn } from './turns.ts'
import {
  comparePlaces,
  walPositionFromJson,
  walPositionToJson,
  type WalPlace,
  type WalPosition,
  type WalReads,
} from './wal-position.ts'

/** An idle log is passed over at least so often, so that the server can forget it. */
const PASS_OVER_MS = 5000
const GATHER_MS = 10
const ROWS_FEW = 8192
/** Tables whose rows are gathered side by side. */
const TARGETS_MAX = 16

export interface WalSources {
  readonly stream: ReplicationStream
  readonly tables: FollowedTables
  /** For looking up types and rows. */
  readonly lookup: PgConnection
  readonly reads: WalReads
  /** Where reading is to go on, if not here. */
  readonly turn: (position: WalPosition & { readonly reads: WalReads }) => Turn | undefined
}

/** What has to be waited for before the same message can be read again. */
type Need = () => Promise<void>

/**
 * Follows the changes of tables. Each transaction comes whole, after its commit; what the chunks of the initial read hold
 * is left out. Rows are gathered by table, and a batch may end inside a transaction: the server repeats it from its
 * beginning, in the same order.
 */
export class WalFeed {
  readonly split: string
  readonly #sources: WalSources
  readonly #options: ChangeOptions
  readonly #changes: RowChanges
  /** Where reading ends, if anywhere. */
  readonly #until: WalPlace | undefined
  /** What was given out. */
  #given: WalPosition
  #emitted: JsonObject
  #reads: WalReads
  #isTurned = false
  /** What was taken from the stream; rows of it may still be gathered. */
  #place: { lsn: Lsn; row: number }
  #begin: Begin | undefined
  /** When the last transaction that was begun was committed. */
  #committedMs: number | undefined
  /** Changes of the open transaction, of all tables, that were passed. */
  #index = 0
  #gathered: FollowedTable[] = []
  #need: Need | undefined
  #isDone = false
  #shapes: Pick<SchemaChange, 'table' | 'events'>[] = []
  /** The message whose change of shape was told. */
  #told: string | undefined
  /** Not yet: that the log has begun is worth a checkpoint. */
  #passedOverAt: number = Number.NEGATIVE_INFINITY

  constructor(assignment: SplitAssignment, sources: WalSources, options: ChangeOptions) {
    this.split = assignment.split
    this.#sources = sources
    this.#options = options
    this.#changes = new RowChanges(options, sources.lookup)
    this.#reads = sources.reads
    this.#given = { ...walPositionFromJson(assignment.at), timeline: sources.stream.timeline, reads: this.#reads }
    this.#emitted = assignment.at
    this.#place = { lsn: this.#given.lsn, row: this.#given.row }
    this.#until = assignment.until === undefined ? undefined : walPositionFromJson(assignment.until)
    for (const [key, place] of this.#given.ahead) sources.tables.wentAhead(key, place)
  }

  async poll(signal: AbortSignal, waitMs: number): Promise<readonly Item[]> {
    const shape = this.#shapes.shift()
    if (shape !== undefined) return [{ kind: 'schema-change', split: this.split, next: this.#emitted, ...shape }]
    const turned = this.#turn()
    if (turned.length > 0) return turned
    if ((await this.#fill()) && this.#gathered.length === 0) await this.#sources.stream.more(waitMs, signal)
    await this.#gatherMore(signal)
    const batches = this.#batches()
    if (batches.length > 0 || this.#shapes.length > 0) return batches
    return this.#isAtEnd ? this.#ended() : this.#passOver()
  }

  get isDone(): boolean {
    return this.#isDone
  }

  /** Where a feed of its own has to go on, for other tables; undefined as long as this one does. */
  get turnedTo(): JsonObject | undefined {
    return this.#isTurned ? this.#emitted : undefined
  }

  confirm(lsn: bigint): void {
    this.#sources.stream.confirm(lsn)
  }

  close(): void {
    this.#sources.stream.close()
    this.#sources.lookup.close()
  }

  /** Everything that was taken was handed on: other tables may be read from here on. */
  #turn(): Item[] {
    if (this.#until !== undefined) return []
    const turn = this.#sources.turn({ ...this.#given, ...this.#place, reads: this.#reads })
    if (turn === undefined) return []
    const { place, ahead, reads } = turn
    this.#isTurned = true
    return [this.#movedTo({ ...this.#given, lsn: place.lsn, row: place.row, ahead, reads })]
  }

  /** The server sends in small pieces: what comes a little later goes into the same batch. */
  async #gatherMore(signal: AbortSignal): Promise<void> {
    const end = performance.now() + GATHER_MS
    while (!signal.aborted && (await this.#fill()) && this.#rows > 0 && this.#rows < ROWS_FEW) {
      const left = end - performance.now()
      if (left <= 0) return
      await this.#sources.stream.more(left, signal)
    }
  }

  get #rows(): number {
    return this.#gathered.reduce((sum, { target }) => sum + (target?.rows ?? 0), 0)
  }

  /** Takes messages until there are no more yet (true), or something has to be handed on first. */
  async #fill(): Promise<boolean> {
    const { stream } = this.#sources
    // What the shapes hold comes between what was taken and what follows.
    if (this.#shapes.length > 0) return false
    while (stream.next()) {
      const isTaken = this.#take(stream.bytes, stream.at, stream.end)
      if (isTaken) continue
      stream.unread()
      const need = this.#need
      if (need === undefined) return false
      this.#need = undefined
      await need()
      if (this.#shapes.length > 0) return false
    }
    return true
  }

  /** False when the message has to be read again, after what `#need` says or after a hand-over. */
  #take(bytes: Buffer, at: number, end: number): boolean {
    switch (bytes[at]) {
      case CHANGE.begin:
        return this.#beginAt(readBegin(bytes, at))
      case CHANGE.commit:
        this.#begin = undefined
        this.#reached({ lsn: readCommitEnd(bytes, at), row: 0 })
        return true
      case CHANGE.relation:
        return this.#relation(readRelation(bytes, at))
      case CHANGE.insert:
      case CHANGE.update:
      case CHANGE.delete:
        return this.#change(bytes, at, end)
      case CHANGE.truncate:
        return this.#truncate(readTruncate(bytes, at))
      default:
        return true
    }
  }

  #beginAt(begin: Begin): boolean {
    if (this.#until !== undefined && begin.lsn >= this.#until.lsn) {
      this.#reached(this.#until)
      return false
    }
    this.#begin = begin
    this.#committedMs = Number(begin.micros / 1000n)
    this.#index = 0
    return true
  }

  #change(bytes: Buffer, at: number, end: number): boolean {
    const followed = this.#sources.tables.ofOid(bytes.readUInt32BE(at + 1))
    const begin = this.#begin
    if (followed === undefined || begin === undefined || !this.#isWanted(begin, followed)) return this.#passed()
    // An update of the key makes two rows of one message.
    const room = 2 * roomFor(followed.shape, end - at, this.#changes.suppliedBytes)
    const target = this.#targetOf(followed, room)
    if (target === undefined) return false
    const need = this.#changes.take({ followed, begin, index: this.#index, bytes, at }, target)
    if (need === undefined) return this.#passed()
    this.#need = need
    return false
  }

  /** Where a table's rows are gathered, if there is room for another one; a row that is large gets a place of its own. */
  #targetOf(followed: FollowedTable, room: number): LineTarget | undefined {
    const { pool } = this.#options
    if (followed.target === undefined) {
      if (this.#gathered.length === TARGETS_MAX) return undefined
      followed.target = pool.take()
      this.#gathered.push(followed)
    }
    if (hasRoom(followed.target, room)) return followed.target
    if (followed.target.rows > 0) return undefined
    pool.give(followed.target)
    followed.target = pool.make(room)
    return followed.target
  }

  /** Not given out yet, nor by an earlier start that had given out more of this table than of others. */
  #isWanted({ lsn }: Begin, { ahead }: FollowedTable): boolean {
    const { lsn: from, row } = this.#place
    if (lsn < from || (lsn === from && this.#index < row)) return false
    return ahead === undefined || comparePlaces({ lsn, row: this.#index }, ahead) >= 0
  }

  #passed(): true {
    this.#index++
    const lsn = this.#begin?.lsn
    if (lsn === undefined || lsn < this.#place.lsn) return true
    // An object for each transaction, not for each change.
    if (lsn > this.#place.lsn) this.#place = { lsn, row: this.#index }
    else if (this.#index > this.#place.row) this.#place.row = this.#index
    return true
  }

  #reached(place: WalPlace): void {
    if (comparePlaces(place, this.#place) > 0) this.#place = { lsn: place.lsn, row: place.row }
  }

  #relation(relation: Relation): boolean {
    const { tables, lookup } = this.#sources
    const result = tables.take(relation, lookup)
    if (result === 'taken') return true
    // What was gathered has the old shape, and goes first.
    if (this.#gathered.length > 0) return false
    this.#need = async () => {
      const change = await result()
      if (change !== undefined) this.#shapes.push(change)
    }
    return false
  }

  #truncate(oids: readonly number[]): boolean {
    const { tables } = this.#sources
    const begin = this.#begin
    const emptied = oids.flatMap((oid) => tables.ofOid(oid) ?? [])
    if (begin === undefined || !emptied.some((followed) => this.#isWanted(begin, followed))) return this.#passed()
    const message = `${begin.lsn}/${this.#index}`
    if (this.#told === message) return this.#passed()
    this.#told = message
    const events = emptied.flatMap((followed) => tables.truncated(followed, begin.xid) ?? [])
    if (events.length === 0) return this.#passed()
    this.#shapes.push(...events)
    return false
  }

  /**
   * Hands on what was gathered, table by table. In between, the position says how far each of them is, and it moves on
   * with the last one.
   */
  #batches(): Batch[] {
    const gathered = this.#gathered.filter(({ target }) => (target?.rows ?? 0) > 0)
    for (const followed of this.#gathered) if ((followed.target?.rows ?? 0) === 0) this.#drop(followed)
    this.#gathered = []
    const ahead = new Map(this.#given.ahead)
    return gathered.map((followed, index) => {
      ahead.set(followed.key, { ...this.#place })
      const isLast = index === gathered.length - 1
      if (isLast) for (const [key, place] of ahead) if (comparePlaces(place, this.#place) <= 0) ahead.delete(key)
      this.#given = { ...this.#given, ...(isLast ? this.#place : {}), ahead: new Map(ahead), reads: this.#thinned() }
      return this.#batch(followed)
    })
  }

  #batch(followed: FollowedTable): Batch {
    const { pool } = this.#options
    const { tables } = this.#sources
    const target = followed.target ?? pool.take()
    followed.target = undefined
    const from = this.#emitted
    this.#emitted = walPositionToJson(this.#given)
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
      ...tables.named(followed),
      rows: target.rows,
      ...(this.#committedMs !== undefined && { eventMs: this.#committedMs }),
      bytes: target.length,
      release: () => pool.give(target),
    }
  }

  #drop(followed: FollowedTable): void {
    if (followed.target !== undefined) this.#options.pool.give(followed.target)
    followed.target = undefined
  }

  /** Whole transactions only: those that were committed before the end. */
  get #isAtEnd(): boolean {
    if (this.#until === undefined || this.#begin !== undefined) return false
    this.#reached({ lsn: this.#sources.stream.caughtUp, row: 0 })
    return comparePlaces(this.#place, this.#until) >= 0
  }

  #ended(): Item[] {
    this.#isDone = true
    this.#given = { ...this.#given, ...this.#place, ahead: new Map() }
    return [{ kind: 'split-end', split: this.split, at: walPositionToJson(this.#given) }]
  }

  /** The position moves on where the log does, also without anything of ours. */
  #passOver(): Item[] {
    const { caughtUp } = this.#sources.stream
    if (this.#begin === undefined) this.#reached({ lsn: caughtUp, row: 0 })
    const now = performance.now()
    if (now - this.#passedOverAt < PASS_OVER_MS) return []
    this.#passedOverAt = now
    if (comparePlaces(this.#place, this.#given) <= 0) return []
    const ahead = [...this.#given.ahead].filter(([, place]) => comparePlaces(place, this.#place) > 0)
    return [this.#movedTo({ ...this.#given, ...this.#place, ahead: new Map(ahead), reads: this.#thinned() })]
  }

  #movedTo(position: WalPosition): Item {
    this.#given = position
    this.#emitted = walPositionToJson(position)
    return { kind: 'idle', split: this.split, next: this.#emitted }
  }

  /** Without what chunks of joined tables hold, once the log has passed it. */
  #thinned(): WalReads {
    const { joined, held } = this.#reads
    const isOver = (table: WalReads['joined'][number]): boolean =>
      table.chunks.length > 0 && this.#given.lsn > table.high && held[tableKey(table)] === undefined
    if (joined.some(isOver)) {
      const thin = joined.map((table) => (isOver(table) ? { ...table, chunks: [] } : table))
      this.#reads = { ...this.#reads, joined: thin }
    }
    return this.#reads
  }
}
