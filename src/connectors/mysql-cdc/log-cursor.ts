import type { Item } from '../../core/batch.ts'
import { OP_COLUMN, type SchemaChange, type SourceTable, type TableEvent } from '../../core/changes.ts'
import type { Clock } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import type { SplitAssignment } from '../../core/source.ts'
import {
  BinlogStream,
  hasReached,
  ReadBefore,
  type LogItem,
  type RowsEvent,
} from '../../clients/mysql-replication/index.ts'
import { ChangeExtras } from './change-extras.ts'
import { openConnection, readCharsets } from './connect.ts'
import { LogSpan } from './log-span.ts'
import { assertFollowed, LogTables, type LogTable } from './log-tables.ts'
import { JoinedTables } from './joined-tables.ts'
import { firstReads } from './log-reads.ts'
import type { MysqlCdcOptions } from './options.ts'
import { readTables } from './read-tables.ts'
import { logPosition, logSpec, toJson, type LogPosition } from './split.ts'
import { effectOf } from './statement.ts'
import { assertStatement } from './statement-rules.ts'
import { storedPlace } from './stored-place.ts'
import { nextTurn, type Join, type Turn } from './turns.ts'

/** The server says where it is so often, also when there is nothing. */
const HEARTBEAT_MS = 5000
/** Batches are made at the first commit behind so many bytes, */
const SPAN_BYTES = 1024 * 1024
/** and inside of a transaction behind so many. */
const SPAN_BYTES_MAX = 4 * 1024 * 1024
/** A place that moved without rows is told so often. */
const PROGRESS_MS = 5000
const IDLE_MS = 20

export interface LogSettings {
  readonly options: MysqlCdcOptions
  readonly separator: number
  readonly hasTables: boolean
  /** What the pipeline knows of the one table's rows. */
  readonly schema: Schema | undefined
  readonly serverId: number
  readonly clock: Clock
  /** Tables that were read beside the log and join it, as far as is known. */
  readonly join: () => Join | undefined
}

/** Reads the log from a position on. */
export class LogCursor {
  readonly split: string
  readonly #settings: LogSettings
  #start: LogPosition
  readonly #until: { readonly file: string; readonly position: number } | undefined
  readonly #span: LogSpan
  readonly #extras: ChangeExtras
  #stream: BinlogStream | undefined
  #tables: LogTables | undefined
  #joined: JoinedTables
  #isInside = false
  #isXa = false
  /** When a position was told last; at first none was, so that the hand-over to the log is soon in a checkpoint. */
  #toldAt = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(assignment: SplitAssignment, settings: LogSettings) {
    const { split, spec, at, until } = assignment
    this.split = split
    this.#settings = settings
    const start = logPosition(at)
    this.#joined = new JoinedTables(settings.options, start.reads ?? firstReads(logSpec(spec).wanted, {}))
    this.#start = { ...start, reads: this.#joined.reads }
    this.#until = until === undefined ? undefined : { file: String(until['file']), position: Number(until['position']) }
    this.#span = new LogSpan(this.#start, { split, separator: settings.separator, hasTables: settings.hasTables })
    this.#extras = new ChangeExtras(settings.options.metadata)
  }

  /** The next items: none when there is nothing now, or `signal` was aborted. */
  async next(signal: AbortSignal): Promise<Item[]> {
    const stream = (this.#stream ??= await this.#open())
    const tables = this.#tables
    if (tables === undefined || this.#isClosed) return []
    for (;;) {
      // First, since a busy log has always something to hand on.
      const turned = this.#turn(stream, tables)
      if (turned.length > 0) return turned
      const items = this.#readCome(stream, tables)
      if (items.length > 0) return items
      const isOpenSpan = this.#span.bytes > 0
      const progress = isOpenSpan ? [] : this.#progress(stream, tables)
      if (progress.length > 0) return progress
      // Rows of a transaction come together: the rest of it is on its way.
      if (!(await stream.more(signal, isOpenSpan ? undefined : IDLE_MS))) return []
    }
  }

  close(): void {
    this.#isClosed = true
    this.#stream?.close()
    this.#span.clear()
  }

  async #open(): Promise<BinlogStream> {
    const { options, separator, serverId } = this.#settings
    const connection = await openConnection(options)
    try {
      const charsets = await readCharsets(connection)
      const found = (await readTables(connection, options)).map(({ shape }) => shape)
      const isRead = (database: string, name: string): boolean => this.#joined.isRead(database, name)
      this.#tables = new LogTables({ options, isRead, charsets, separator, found, shapes: this.#start.shapes })
      return await BinlogStream.open(connection, this.#start.place, { serverId, heartbeatMs: HEARTBEAT_MS })
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** Handles what has come, until there is enough for batches. */
  #readCome(stream: BinlogStream, tables: LogTables): Item[] {
    for (let item = stream.next(); item !== undefined; item = stream.next()) {
      const change = this.#take(item, stream, tables)
      if (change !== undefined) return change
      const { bytes } = this.#span
      if (bytes >= SPAN_BYTES && (!this.#isInside || bytes >= SPAN_BYTES_MAX)) return this.#cut(stream, tables)
    }
    if (this.#isInside) return []
    const items = this.#span.bytes > 0 ? this.#cut(stream, tables) : []
    if (this.#until === undefined || !hasReached(stream.at, this.#until)) return items
    const end = { ...this.#at(stream, tables), skip: {} }
    return [...items, { kind: 'split-end', split: this.split, at: toJson(end) }]
  }

  /** Items, when the next one changes a table: what came before it goes first. */
  #take(item: LogItem, stream: BinlogStream, tables: LogTables): Item[] | undefined {
    switch (item.kind) {
      case 'begin':
        this.#isInside = true
        this.#isXa = item.isXa
        if (this.#joined.begin(stream.transaction, stream.place)) tables.forgetNumbers()
        return undefined
      case 'table-map':
        return this.#map(item.body, stream, tables)
      case 'rows':
        this.#rows(item.rows, stream, tables)
        return undefined
      case 'statement':
        return this.#statement(item, stream, tables)
      case 'commit':
        this.#span.commit()
        this.#isInside = false
        this.#isXa = false
        return undefined
      case 'progress':
        return undefined
    }
  }

  #map(body: Buffer, stream: BinlogStream, tables: LogTables): Item[] | undefined {
    const mapped = tables.map(body, stream.writtenBy)
    if (mapped === undefined) return undefined
    const { table, change } = mapped
    if (this.#isXa) throw xaRefused(table)
    if (change.length === 0) return undefined
    if (!this.#settings.hasTables) assertFollowed(table, this.#plannedColumns())
    // What was before has positions with the shape from before.
    const before = this.#cut(stream, tables)
    tables.settle(table)
    if (this.#settings.hasTables) return [...before, this.#change(table.shape, change, tables)]
    const next = { ...this.#span.from, shapes: tables.shapes }
    this.#span.moveTo(next)
    return [...before, { kind: 'idle', split: this.split, next: toJson(next) }]
  }

  /** A change behind what was cut; the position after it has the new shapes. */
  #change(table: SourceTable, events: readonly TableEvent[], tables: LogTables): SchemaChange {
    const next = { ...this.#span.from, shapes: tables.shapes }
    this.#span.moveTo(next)
    return { kind: 'schema-change', split: this.split, next: toJson(next), table, events }
  }

  #statement(
    { sql, database, isAlone }: LogItem & { readonly kind: 'statement' },
    stream: BinlogStream,
    tables: LogTables,
  ): Item[] | undefined {
    if (isAlone) {
      this.#span.commit()
      this.#isInside = false
    }
    const effect = effectOf(sql, database)
    const hit = assertStatement(effect, tables, this.#settings.hasTables)
    if (effect.kind === 'rename-column') {
      for (const [from, to] of effect.pairs) tables.noteRename(hit.renamed, from, to)
    }
    if (hit.emptied.length === 0) return undefined
    const kind = effect.kind === 'drop' ? 'drop' : 'truncate'
    const before = this.#cut(stream, tables)
    if (kind === 'drop') for (const { id } of hit.emptied) tables.forget(id)
    return [...before, ...hit.emptied.map((table) => this.#change(table, [{ kind }], tables))]
  }

  #rows(event: RowsEvent, stream: BinlogStream, tables: LogTables): void {
    const { kind, tableId, isWhole, hasParts } = event
    const table = tables.byNumber(tableId)
    if (table === undefined) return
    if (!isWhole) throw partRefused(table)
    const { lines: rows } = table
    const image = hasParts ? rows.wholeImages(event.image, event.from) : event.image
    const from = hasParts ? 0 : event.from
    const extras = this.#extras
    extras.event(stream)
    for (let at = from; at < image.length;) {
      const after = kind === 'update' ? rows.skip(image, at) : at
      const lines = this.#span.linesFor(table)
      if (lines === undefined) {
        at = rows.skip(image, after)
        continue
      }
      const before = lines.length
      if (kind === 'delete') at = rows.delete(image, at, lines, extras.deleted)
      else {
        if (kind === 'update' && rows.isKeyChanged(image, at, after)) rows.delete(image, at, lines, extras.deleted)
        at = rows.upsert(image, after, lines, kind === 'update' ? extras.updated : extras.inserted)
      }
      this.#span.counted(lines.length - before)
    }
  }

  #cut(stream: BinlogStream, tables: LogTables): Item[] {
    this.#toldAt = this.#settings.clock.now()
    return this.#span.cut(this.#at(stream, tables))
  }

  #at(stream: BinlogStream, tables: LogTables): Omit<LogPosition, 'skip'> {
    return {
      place: storedPlace(stream.place, this.#start.place.server),
      shapes: tables.shapes,
      time: Math.floor(stream.committedMicros / 1e6),
      reads: this.#joined.reads,
    }
  }

  /** Between two transactions, when everything is handed on: tables are held, or join from an earlier place on. */
  #turn(stream: BinlogStream, tables: LogTables): Item[] {
    if (this.#isInside || this.#span.bytes > 0 || this.#until !== undefined) return []
    const turn = nextTurn(this.#settings.options, this.#joined.reads, this.#settings.join())
    if (turn === undefined) return []
    // A log that is behind comes there by itself: to go there now would leave out what the other tables have in between.
    if (turn.kind === 'back' && !new ReadBefore(turn.place).isReachedBy(stream.place)) return []
    this.#span.cut(this.#at(stream, tables))
    const here = this.#span.from
    // The rest of a transaction is on its way.
    if (Object.keys(here.skip).length > 0) return []
    if (turn.kind === 'back') return this.#goBack(stream, here, turn)
    if (turn.kind === 'hold') this.#joined.hold(turn.patterns, here.place)
    else this.#joined = new JoinedTables(this.#settings.options, turn.reads)
    tables.forgetNumbers()
    return this.#movedTo({ ...here, reads: this.#joined.reads })
  }

  /** Reads again from an earlier place on, for those tables alone that were not read from there to here. */
  #goBack(stream: BinlogStream, here: LogPosition, turn: Turn & { readonly kind: 'back' }): Item[] {
    const { lists, held } = this.#joined.reads
    const reads = { ...turn.reads, ahead: { place: here.place, lists, held: Object.keys(held) } }
    this.#joined = new JoinedTables(this.#settings.options, reads)
    this.#start = { ...here, place: turn.place, shapes: { ...here.shapes, ...turn.shapes }, reads: this.#joined.reads }
    stream.close()
    this.#stream = undefined
    this.#tables = undefined
    return this.#movedTo(this.#start)
  }

  #movedTo(position: LogPosition): Item[] {
    this.#span.moveTo(position)
    return [{ kind: 'idle', split: this.split, next: toJson(position) }]
  }

  /** A log in which only others write moves on too: a place that stood still would be purged some day. */
  #progress(stream: BinlogStream, tables: LogTables): Item[] {
    const now = this.#settings.clock.now()
    const isFirst = this.#toldAt === Number.NEGATIVE_INFINITY
    if (this.#isInside || now - this.#toldAt < PROGRESS_MS) return []
    this.#toldAt = now
    const before = this.#span.from.place
    const { place } = stream
    this.#joined.passed(place)
    if (!isFirst && place.file === before.file && place.position === before.position) return []
    this.#span.cut(this.#at(stream, tables))
    return [{ kind: 'idle', split: this.split, next: toJson(this.#span.from) }]
  }

  #plannedColumns(): Schema {
    return (this.#settings.schema ?? []).filter(({ name }) => name !== OP_COLUMN && !this.#extras.names.has(name))
  }
}

function xaRefused({ shape }: LogTable): MillraceError {
  return new MillraceError(
    `reading changes of ${shape.database}.${shape.name}: they stand in an XA transaction, which may be rolled back after ` +
      'its rows are in the log. XA transactions on tables that are read are not supported',
    { code: 'PREFLIGHT', detail: { table: shape.id } },
  )
}

function partRefused({ shape }: LogTable): MillraceError {
  return new MillraceError(
    `reading changes of ${shape.database}.${shape.name}: the log has a part of a row's columns only. Some session wrote it with ` +
      "binlog_row_image = MINIMAL or NOBLOB: it has to be FULL in all of them (SET GLOBAL binlog_row_image = 'FULL', then let " +
      'applications connect anew). What the log lacks cannot be had any more: read the tables again under a new `name`',
    { code: 'PREFLIGHT', detail: { table: shape.id } },
  )
}
