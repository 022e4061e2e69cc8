import { inflateSync } from 'node:zlib'
import { PacketFields } from './packet-fields.ts'

/** A statement as the binlog has it: BEGIN and COMMIT, DDL, XA, and DML of a session that does not log rows. */
export interface QueryEvent {
  readonly database: string
  readonly sql: string
}

/** Thread (4), duration (4), length of the database (1), error (2), length of status variables (2); then all of these. */
export function parseQuery(body: Buffer, isCompressed: boolean): QueryEvent {
  const databaseLength = body.readUInt8(8)
  const fields = new PacketFields(body, 13 + body.readUInt16LE(11))
  const database = fields.take(databaseLength).toString('utf8')
  fields.at++
  const rest = fields.rest()
  return { database, sql: (isCompressed ? inflateMariadb(rest) : rest).toString('utf8') }
}

/** Longest event of MariaDB. */
const INFLATED_MAX = 1024 * 1024 * 1024

/**
 * MariaDB's compressed events (sql/log_event.cc, `binlog_buf_uncompress`): a byte whose lowest three bits count the bytes of
 * the length that follows, and then zlib.
 */
export function inflateMariadb(bytes: Buffer): Buffer {
  return inflateSync(bytes.subarray(1 + (bytes.readUInt8(0) & 0x07)), { maxOutputLength: INFLATED_MAX })
}
