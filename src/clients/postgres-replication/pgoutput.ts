import type { Lsn } from './lsn.ts'

/*
 * Messages of the output plugin pgoutput, protocol version 1 (PostgreSQL documentation, "Logical Replication Message
 * Formats"; src/backend/replication/logical/proto.c). Version 1 gives whole transactions, in the order of their commits.
 */

export const CHANGE = {
  begin: 0x42, // B
  commit: 0x43, // C
  relation: 0x52, // R
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  message: 0x4d, // M
  type: 0x59, // Y
  origin: 0x4f, // O
} as const

/** Tuples of an update or delete: the key that was, the whole row that was, the row that is. */
export const TUPLE = { key: 0x4b, old: 0x4f, fresh: 0x4e } as const

/** Microseconds from 1970 to 2000, where Postgres begins to count. */
const EPOCH_MICROS = 946_684_800_000_000n

export interface Begin {
  /** Where the transaction's commit record begins. */
  readonly lsn: Lsn
  /** Microseconds since 1970. */
  readonly micros: bigint
  /** The lower 32 bits of the transaction's id. */
  readonly xid: number
}

export function readBegin(bytes: Buffer, at: number): Begin {
  return {
    lsn: bytes.readBigUInt64BE(at + 1),
    micros: bytes.readBigInt64BE(at + 9) + EPOCH_MICROS,
    xid: bytes.readUInt32BE(at + 17),
  }
}

/** Where the commit record ends: everything before it is told. */
export function readCommitEnd(bytes: Buffer, at: number): Lsn {
  return bytes.readBigUInt64BE(at + 10)
}

export interface RelationColumn {
  readonly name: string
  /** Part of the replica identity. */
  readonly isKey: boolean
  readonly type: number
  readonly modifier: number
}

/** The shape of a table, as its next rows have it. Columns that are generated or not published are left out. */
export interface Relation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** `d` default, `n` nothing, `f` full, `i` index. */
  readonly identity: string
  readonly columns: readonly RelationColumn[]
}

export function readRelation(bytes: Buffer, from: number): Relation {
  let at = from + 5
  const word = (): string => {
    const end = bytes.indexOf(0, at)
    const text = bytes.toString('utf8', at, end)
    at = end + 1
    return text
  }
  // An empty name of a schema stands for pg_catalog.
  const schema = word() || 'pg_catalog'
  const name = word()
  const identity = String.fromCharCode(bytes[at] ?? 0)
  const count = bytes.readInt16BE(at + 1)
  at += 3
  const columns: RelationColumn[] = []
  while (columns.length < count) {
    const isKey = (bytes[at] ?? 0) === 1
    at++
    const column = word()
    columns.push({ name: column, isKey, type: bytes.readUInt32BE(at), modifier: bytes.readInt32BE(at + 4) })
    at += 8
  }
  return { oid: bytes.readUInt32BE(from + 1), schema, name, identity, columns }
}

/** The tables of a TRUNCATE. */
export function readTruncate(bytes: Buffer, at: number): readonly number[] {
  const count = bytes.readInt32BE(at + 1)
  return Array.from({ length: count }, (_, index) => bytes.readUInt32BE(at + 6 + index * 4))
}
