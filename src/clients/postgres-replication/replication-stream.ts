import { PgConnection, MESSAGE, type PgConnectionOptions } from './connection.ts'
import { formatLsn, type Lsn } from './lsn.ts'
import { readServerMessage, serverError } from './server-error.ts'
import { quoteName, quoteText } from './sql-text.ts'
import { MillraceError } from '../../core/errors.ts'

const XLOG_DATA = 0x77 // w
const KEEPALIVE = 0x6b // k
const XLOG_HEADER = 25
/** Microseconds from 1970 to 2000. */
const EPOCH_MICROS = 946_684_800_000_000n
/** Well below `wal_sender_timeout`, which is 60 s unless somebody changed it. */
const STATUS_MS = 5000

export interface StreamOptions {
  readonly slot: string
  readonly publication: string
  /** Transactions that committed before this are not wanted. */
  readonly from: Lsn
}

/**
 * The changes of a slot, as messages of pgoutput. The server is told what it may forget by `confirm` and by nothing else;
 * what is said in between only keeps the connection alive.
 */
export class ReplicationStream implements AsyncDisposable {
  readonly #connection: PgConnection
  readonly #doing: string
  #confirmed: Lsn = 0n
  #received: Lsn = 0n
  readonly #heartbeat: NodeJS.Timeout
  /** Where the current message of pgoutput begins and ends, in `bytes`. */
  at = 0
  end = 0
  /** The server had told everything that it is to tell, up to this place, at the last keepalive. */
  caughtUp: Lsn = 0n

  /** The history of the server that the places belong to. */
  readonly timeline: number

  static async open(options: PgConnectionOptions, stream: StreamOptions): Promise<ReplicationStream> {
    const connection = await PgConnection.open({ ...options, isReplication: true })
    const { slot, publication, from } = stream
    const doing = `streaming from replication slot ${slot}`
    try {
      const [row] = await connection.query('IDENTIFY_SYSTEM', 'asking the server who it is')
      await connection.copyBoth(
        `START_REPLICATION SLOT ${quoteName(slot)} LOGICAL ${formatLsn(from)} ` +
          `(proto_version '1', publication_names ${quoteText(quoteName(publication))})`,
        doing,
      )
      return new ReplicationStream(connection, doing, Number(row?.[1]))
    } catch (error) {
      connection.close()
      throw error
    }
  }

  private constructor(connection: PgConnection, doing: string, timeline: number) {
    this.timeline = timeline
    // Also while nobody takes messages, because a sink is slow: the server gives up who says nothing.
    this.#heartbeat = setInterval(() => this.#sayStatus(), STATUS_MS)
    this.#heartbeat.unref()
    this.#connection = connection
    this.#doing = doing
  }

  get bytes(): Buffer {
    return this.#connection.inbox.bytes
  }

  /** Makes the next message of pgoutput the current one; false when none is there yet. */
  next(): boolean {
    while (this.#connection.next()) {
      const { type, bytes, at, end } = this.#connection.inbox
      if (type === MESSAGE.error) throw serverError(this.#doing, readServerMessage(bytes, at, end))
      if (type === MESSAGE.copyDone) throw this.#ended()
      if (type !== MESSAGE.copyData) continue
      if (bytes[at] === XLOG_DATA) {
        const lsn = bytes.readBigUInt64BE(at + 1)
        if (lsn > this.#received) this.#received = lsn
        this.at = at + XLOG_HEADER
        this.end = end
        return true
      }
      if (bytes[at] === KEEPALIVE) this.#keptAlive(bytes.readBigUInt64BE(at + 1), bytes[at + 17] === 1)
    }
    return false
  }

  /** The current message is given by the next call of `next` again. */
  unread(): void {
    this.#connection.inbox.unread()
  }

  more(ms: number, signal: AbortSignal): Promise<void> {
    return this.#connection.more(ms, signal)
  }

  /** Tells the server that everything before this place is safe elsewhere. It never goes back. */
  confirm(lsn: Lsn): void {
    if (lsn <= this.#confirmed) return
    this.#confirmed = lsn
    this.#sayStatus()
  }

  close(): void {
    clearInterval(this.#heartbeat)
    this.#connection.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  #keptAlive(lsn: Lsn, wantsAnswer: boolean): void {
    if (lsn > this.#received) this.#received = lsn
    this.caughtUp = lsn
    if (wantsAnswer) this.#sayStatus()
  }

  /** Standby status update: what was received, and what is flushed and applied; 0 says nothing about it. */
  #sayStatus(): void {
    const status = Buffer.alloc(34)
    status.write('r', 0, 'latin1')
    status.writeBigUInt64BE(this.#received, 1)
    status.writeBigUInt64BE(this.#confirmed, 9)
    status.writeBigUInt64BE(this.#confirmed, 17)
    status.writeBigInt64BE(BigInt(Date.now()) * 1000n - EPOCH_MICROS, 25)
    if (this.#connection.isOpen) this.#connection.send('d', status)
  }

  #ended(): MillraceError {
    return new MillraceError(`${this.#doing}: the server ended the stream`, { code: 'UNAVAILABLE', retry: 'restart' })
  }
}
