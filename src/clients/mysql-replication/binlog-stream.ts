import { MillraceError } from '../../core/errors.ts'
import { ARTIFICIAL, EVENT, readEvent, type BinlogEvent } from './binlog-event.ts'
import type { MysqlConnection } from './connection.ts'
import { dumpBeyond, dumpFromFile, FIRST_POSITION } from './dump-command.ts'
import { parseGtid, parseMariadbGtid, parseTaggedGtid } from './gtid-events.ts'
import { ReadTransactions, type BinlogPlace } from './position.ts'
import type { TransactionName } from './read-before.ts'
import { parseQuery } from './query-event.ts'
import { parseRows, rowsKind, type RowsEvent } from './rows-event.ts'
import { dumpTrouble, parseServerError, serverError, type ServerError } from './server-error.ts'
import { unpackTransaction } from './transaction-payload.ts'

/** A server that is busy is late with its heartbeats, too. */
const SILENCE_MS_MIN = 20_000

/** What happens in the log, in its order. Buffers inside are good until the next `await`. */
export type LogItem =
  | { readonly kind: 'begin'; readonly isXa: boolean }
  | { readonly kind: 'table-map'; readonly body: Buffer }
  | { readonly kind: 'rows'; readonly rows: RowsEvent }
  /** DDL, or DML of a session that does not log rows. `isAlone`: a transaction of its own, which it ends. */
  | { readonly kind: 'statement'; readonly database: string; readonly sql: string; readonly isAlone: boolean }
  /** The transaction is through: `BinlogStream.place` has it now. */
  | { readonly kind: 'commit' }
  /** Nothing of interest; the place may have moved. */
  | { readonly kind: 'progress' }

export interface BinlogStreamOptions {
  /** By which the server tells its readers apart: unique among all of them. */
  readonly serverId: number
  /** Milliseconds after which the server has to say something, if only that there is nothing. */
  readonly heartbeatMs: number
}

/** Where the packets of a stream come from. */
export interface PacketSource {
  /** For messages. */
  readonly what: string
  nextPacket(): Buffer | undefined
  morePackets(signal: AbortSignal, waitMs?: number): Promise<boolean>
  close(): void
}

/**
 * A server's binlog from a place on. It checks every checksum, follows files, unpacks compressed transactions, and knows
 * which transactions are through; what tables and rows mean is left to others.
 */
export class BinlogStream {
  readonly #source: PacketSource
  readonly #read: ReadTransactions
  readonly #options: BinlogStreamOptions
  #hasChecksum: boolean
  /** Where the server stands in its files, also inside of a transaction. */
  #file: string
  #position: number
  #pending: (() => void) | undefined
  #transaction: TransactionName | undefined
  #isXa = false
  #isInside = false
  #inner: BinlogEvent[] = []
  #time = 0
  #micros = 0
  #version = ''

  /** Takes the connection over: it is good for nothing else afterwards. */
  static async open(
    connection: MysqlConnection,
    place: BinlogPlace,
    options: BinlogStreamOptions,
  ): Promise<BinlogStream> {
    const [checksum] = await connection.query("SELECT @@global.binlog_checksum, 'x'")
    await prepareSession(connection, place, checksum?.[0] ?? 'NONE', options)
    const stream = new BinlogStream(connection, place, options, checksum?.[0] === 'CRC32')
    connection.command(stream.#dumpCommand(place))
    connection.expectWithin(Math.max(options.heartbeatMs * 3, SILENCE_MS_MIN))
    return stream
  }

  /** `hasChecksum`: as the server was told; from the first description of the format on, as that says. */
  constructor(source: PacketSource, place: BinlogPlace, options: BinlogStreamOptions, hasChecksum: boolean) {
    this.#source = source
    this.#read = new ReadTransactions(place)
    this.#options = options
    this.#hasChecksum = hasChecksum
    this.#file = place.gtid === undefined ? place.file : ''
    this.#position = 0
  }

  /** Behind the last transaction that is through. */
  get place(): BinlogPlace {
    return this.#read.place
  }

  /** Where the server is in its files. */
  get at(): { readonly file: string; readonly position: number } {
    return { file: this.#file, position: this.#position }
  }

  /** When the newest transaction was committed, in microseconds since 1970; to the second where the server says no more. */
  get committedMicros(): number {
    return this.#micros === 0 ? this.#time * 1_000_000 : this.#micros
  }

  /** The transaction that began last. */
  get transaction(): TransactionName | undefined {
    return this.#transaction
  }

  /** The server that wrote what is read now. */
  get writtenBy(): string {
    return this.#version
  }

  /** The next item that has come already. */
  next(): LogItem | undefined {
    const inner = this.#inner.shift()
    if (inner !== undefined) return this.#handle(inner)
    const packet = this.#source.nextPacket()
    if (packet === undefined) return undefined
    if (packet[0] === 0xff) throw this.#ended(parseServerError(packet))
    if (packet[0] === 0xfe && packet.length < 9) {
      throw new MillraceError(`${this.#source.what}: the server ended the binlog stream`, {
        code: 'UNAVAILABLE',
        retry: 'restart',
      })
    }
    return this.#handle(this.#eventOf(packet))
  }

  /** Waits until something comes; false when `signal` was aborted or the time had passed before. */
  more(signal: AbortSignal, waitMs?: number): Promise<boolean> {
    return this.#source.morePackets(signal, waitMs)
  }

  close(): void {
    this.#source.close()
  }

  #dumpCommand(place: BinlogPlace): Buffer {
    const set = this.#read.encode()
    if (set !== undefined) return dumpBeyond(this.#options.serverId, set)
    if (place.gtid !== undefined) return dumpFromFile(this.#options.serverId, '', FIRST_POSITION)
    return dumpFromFile(this.#options.serverId, place.file, place.position)
  }

  #eventOf(packet: Buffer): BinlogEvent {
    // A description of the format tells in its last five bytes whether others have a checksum; it has one itself.
    const isDescription = packet[5] === EVENT.formatDescription
    if (isDescription) {
      this.#hasChecksum = packet[packet.length - 5] === 1
      this.#version = packet.toString('latin1', 22, 72).replace(/\0.*$/s, '')
    }
    const event = readEvent(packet, 1, packet.length, this.#hasChecksum)
    const isInFile = (event.flags & ARTIFICIAL) === 0 && event.type !== EVENT.heartbeat
    if (isInFile && event.type !== EVENT.heartbeatV2 && event.end > 0) this.#position = event.end
    return event
  }

  #handle(event: BinlogEvent): LogItem {
    const kind = rowsKind(event.type)
    if (kind !== undefined) return { kind: 'rows', rows: parseRows(event.type, kind, event.body) }
    switch (event.type) {
      case EVENT.tableMap:
        return { kind: 'table-map', body: event.body }
      case EVENT.gtid:
      case EVENT.taggedGtid: {
        const gtid = event.type === EVENT.gtid ? parseGtid(event.body) : parseTaggedGtid(event.body)
        this.#micros = gtid.committedMicros
        this.#transaction = { kind: 'mysql', origin: gtid.origin, number: gtid.number }
        return this.#begin(event, () => this.#read.addMysql(gtid.origin, gtid.number), false)
      }
      case EVENT.anonymousGtid:
        this.#micros = parseGtid(event.body).committedMicros
        this.#transaction = { kind: 'file', ...this.at }
        return this.#begin(event, () => undefined, false)
      case EVENT.mariadbGtid: {
        const gtid = parseMariadbGtid(event.body)
        this.#transaction = { kind: 'mariadb', domain: gtid.domain, sequence: gtid.sequence }
        const add = (): void => this.#read.addMariadb(gtid.domain, event.serverId, gtid.sequence)
        const item = this.#begin(event, add, gtid.isXa)
        this.#isInside = !gtid.isStandalone
        return item
      }
      case EVENT.query:
      case EVENT.mariadbQueryCompressed:
        return this.#query(event)
      case EVENT.xid:
      case EVENT.xaPrepare:
        return this.#commit()
      case EVENT.transactionPayload:
        this.#inner = unpackTransaction(event.body)
        return { kind: 'progress' }
      case EVENT.rotate:
        return this.#rotate(event)
      case EVENT.heartbeat:
        return this.#heartbeat(event)
      case EVENT.incident:
        throw new MillraceError('reading the binlog: the server noted that events are missing in it (incident event)', {
          code: 'POSITION_LOST',
        })
      default:
        return { kind: 'progress' }
    }
  }

  #begin(event: BinlogEvent, add: () => void, isXa: boolean): LogItem {
    this.#pending = add
    this.#time = event.time
    this.#isXa = isXa
    this.#isInside = false
    return { kind: 'begin', isXa }
  }

  #query(event: BinlogEvent): LogItem {
    const { database, sql } = parseQuery(event.body, event.type === EVENT.mariadbQueryCompressed)
    this.#time = event.time
    const word = /^\s*(?:\/\*.*?\*\/\s*)*(\w+)/s.exec(sql)?.[1]?.toUpperCase() ?? ''
    if (word === 'BEGIN') {
      this.#isInside = true
      return { kind: 'progress' }
    }
    if (word === 'COMMIT') return this.#commit()
    if (word === 'XA') return this.#xa(sql)
    if (word === 'SAVEPOINT' || (word === 'ROLLBACK' && this.#isInside)) return { kind: 'progress' }
    const isAlone = !this.#isInside
    if (isAlone) this.#through()
    return { kind: 'statement', database, sql, isAlone }
  }

  /** Rows between XA START and XA END may be rolled back much later; commit and rollback are groups of their own. */
  #xa(sql: string): LogItem {
    if (/^\s*XA\s+(START|BEGIN)/i.test(sql)) {
      this.#isInside = true
      this.#isXa = true
      return { kind: 'begin', isXa: true }
    }
    return /^\s*XA\s+(COMMIT|ROLLBACK)/i.test(sql) ? this.#commit() : { kind: 'progress' }
  }

  #commit(): LogItem {
    this.#through()
    return { kind: 'commit' }
  }

  #through(): void {
    this.#pending?.()
    this.#pending = undefined
    this.#isInside = false
    this.#isXa = false
    this.#read.moveTo(this.#file, this.#position)
  }

  #rotate(event: BinlogEvent): LogItem {
    this.#file = event.body.toString('utf8', 8)
    this.#position = Number(event.body.readBigUInt64LE(0))
    this.#outside()
    return { kind: 'progress' }
  }

  /** Says where the server is although it sent nothing, for example because all of it was read before. */
  #heartbeat(event: BinlogEvent): LogItem {
    const file = event.body.toString('utf8')
    if (file !== '' && event.end > 0) {
      this.#file = file
      this.#position = event.end
      this.#outside()
    }
    return { kind: 'progress' }
  }

  /** Between two transactions the place in the file moves on also where nothing was read. */
  #outside(): void {
    if (this.#pending === undefined && !this.#isInside && !this.#isXa) this.#read.moveTo(this.#file, this.#position)
  }

  #ended(error: ServerError): MillraceError {
    const trouble = dumpTrouble(error)
    const { gtid, file, position } = this.place
    const where = gtid === undefined ? `${file}:${position}` : `the transactions ${shortened(gtid)}`
    const detail = { number: error.number, file, position, gtid: gtid ?? null }
    const answer = `the server answered ${error.number}: ${error.message}`
    switch (trouble) {
      case 'kicked':
        return new MillraceError(
          `reading the binlog: another reader with the server id ${this.#options.serverId} came, so the server ended ours. ` +
            'Every replica and every reader needs a `serverId` of its own',
          { code: 'UNAVAILABLE', retry: 'restart', detail: { ...detail, serverId: this.#options.serverId } },
        )
      case 'position-lost':
        return new MillraceError(`going on in the binlog behind ${where}: ${answer}`, { code: 'POSITION_LOST', detail })
      case 'position-ahead':
        return new MillraceError(`going on in the binlog behind ${where}: ${answer}`, {
          code: 'POSITION_AHEAD',
          detail,
        })
      case 'other':
        return serverError(error, 'reading the binlog')
    }
  }
}

/** Capability 4: MariaDB sends its own GTID events and leaves nothing out. Both spellings, for old and new servers. */
async function prepareSession(
  connection: MysqlConnection,
  place: BinlogPlace,
  checksum: string,
  { heartbeatMs }: BinlogStreamOptions,
): Promise<void> {
  const nanos = heartbeatMs * 1_000_000
  const sum = checksum === 'CRC32' ? "'CRC32'" : "'NONE'"
  await connection.query(`SET @master_binlog_checksum = ${sum}, @source_binlog_checksum = ${sum}`)
  await connection.query(`SET @master_heartbeat_period = ${nanos}, @source_heartbeat_period = ${nanos}`)
  if (place.flavour !== 'mariadb') return
  await connection.query('SET @mariadb_slave_capability = 4')
  if (place.gtid === undefined) return
  // Numbers, commas and dashes only: `MariadbPosition` has written it.
  await connection.query(`SET @slave_connect_state = '${place.gtid}'`)
  await connection.query('SET @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0')
}

/** Sets of old clusters fill pages. */
function shortened(gtid: string): string {
  return gtid.length > 200 ? `${gtid.slice(0, 197)}…` : gtid
}
