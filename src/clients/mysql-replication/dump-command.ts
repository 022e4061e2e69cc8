const COM_BINLOG_DUMP = 0x12
const COM_BINLOG_DUMP_GTID = 0x1e
const THROUGH_GTID = 0x04
/** Files begin with four bytes that say what they are. */
const FILE_START = 4

/** Asks for events from a place in a file on; MariaDB with `file` empty goes on from `@slave_connect_state`. */
export function dumpFromFile(serverId: number, file: string, position: number): Buffer {
  const head = Buffer.alloc(11)
  head.writeUInt8(COM_BINLOG_DUMP, 0)
  head.writeUInt32LE(position, 1)
  head.writeUInt32LE(serverId, 7)
  return Buffer.concat([head, Buffer.from(file)])
}

/** Asks MySQL for all transactions that are not in the set, which is given as `GtidSet.encode` makes it. */
export function dumpBeyond(serverId: number, set: Buffer): Buffer {
  const head = Buffer.alloc(23)
  head.writeUInt8(COM_BINLOG_DUMP_GTID, 0)
  head.writeUInt16LE(THROUGH_GTID, 1)
  head.writeUInt32LE(serverId, 3)
  head.writeBigUInt64LE(BigInt(FILE_START), 11)
  head.writeUInt32LE(set.length, 19)
  return Buffer.concat([head, set])
}

export const FIRST_POSITION: number = FILE_START
