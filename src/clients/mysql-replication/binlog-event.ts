import { crc32 } from 'node:zlib'
import { MillraceError } from '../../core/errors.ts'

/** Event types (MySQL libs/mysql/binlog/event/binlog_event.h; MariaDB sql/log_event.h from 160 on). */
export const EVENT = {
  query: 2,
  stop: 3,
  rotate: 4,
  formatDescription: 15,
  xid: 16,
  tableMap: 19,
  writeRowsV1: 23,
  updateRowsV1: 24,
  deleteRowsV1: 25,
  incident: 26,
  heartbeat: 27,
  writeRows: 30,
  updateRows: 31,
  deleteRows: 32,
  gtid: 33,
  anonymousGtid: 34,
  previousGtids: 35,
  xaPrepare: 38,
  partialUpdateRows: 39,
  transactionPayload: 40,
  heartbeatV2: 41,
  taggedGtid: 42,
  mariadbGtid: 162,
  mariadbGtidList: 163,
  mariadbQueryCompressed: 165,
  mariadbWriteRowsCompressed: 166,
  mariadbUpdateRowsCompressed: 167,
  mariadbDeleteRowsCompressed: 168,
} as const

export const EVENT_HEADER = 19
const CHECKSUM = 4

/** An event's header and its body without the checksum. The body is good until the next `await`. */
export interface BinlogEvent {
  readonly type: number
  /** Seconds since 1970, of the statement's start; 0 for events that the server makes up. */
  readonly time: number
  readonly serverId: number
  /** Where the event ends in its file; 0 for events inside of others. */
  readonly end: number
  readonly flags: number
  readonly body: Buffer
}

/** The event was made up by the server for this connection and stands in no file. */
export const ARTIFICIAL = 0x20

/**
 * Cuts an event out of `bytes` at `from`. With `hasChecksum` its last four bytes are the CRC32 of all before them, which
 * is looked at: a wrong row from a damaged file must not get through.
 */
export function readEvent(bytes: Buffer, from: number, to: number, hasChecksum: boolean): BinlogEvent {
  if (to - from < EVENT_HEADER) throw damaged(0, 'is shorter than its header')
  const type = bytes.readUInt8(from + 4)
  const end = bytes.readUInt32LE(from + 13)
  const bodyEnd = hasChecksum ? to - CHECKSUM : to
  if (bodyEnd < from + EVENT_HEADER) throw damaged(end, 'is shorter than its header')
  if (hasChecksum && crc32(bytes.subarray(from, bodyEnd)) !== bytes.readUInt32LE(bodyEnd)) {
    throw damaged(end, 'does not match its checksum')
  }
  return {
    type,
    time: bytes.readUInt32LE(from),
    serverId: bytes.readUInt32LE(from + 5),
    end,
    flags: bytes.readUInt16LE(from + 17),
    body: bytes.subarray(from + EVENT_HEADER, bodyEnd),
  }
}

export function damaged(end: number, what: string): MillraceError {
  return new MillraceError(`reading the binlog: the event that ends at ${end} ${what}`, {
    code: 'DECODE',
    detail: { end },
  })
}
