import { zstdDecompressSync } from 'node:zlib'
import { MillraceError } from '../../core/errors.ts'
import { readEvent, type BinlogEvent } from './binlog-event.ts'
import { PacketFields } from './packet-fields.ts'

/** `max_allowed_packet` at most, and the server refuses to write longer payloads. */
const PAYLOAD_MAX = 1024 * 1024 * 1024 + 1024 * 1024
const NONE = 255

/**
 * The events of a compressed transaction (event 40): fields of type, length and value, all length-encoded, up to type 0;
 * then zstd. 1 is the size, 2 the method (0: zstd, 255: none), 3 the size after decompression. Events inside have no
 * checksum of their own: the outer one covers them.
 */
export function unpackTransaction(body: Buffer): BinlogEvent[] {
  const fields = new PacketFields(body)
  let method = 0
  for (let type = fields.length(); type !== 0; type = fields.length()) {
    const value = new PacketFields(fields.take(fields.length()))
    if (type === 2) method = value.length()
  }
  if (method !== 0 && method !== NONE) {
    throw new MillraceError(`reading the binlog: a transaction is compressed by the unknown method ${method}`, {
      code: 'DECODE',
    })
  }
  const packed = fields.rest()
  const bytes = method === NONE ? packed : zstdDecompressSync(packed, { maxOutputLength: PAYLOAD_MAX })
  const events: BinlogEvent[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + bytes.readUInt32LE(at + 9)
    events.push({ ...readEvent(bytes, at, Math.min(end, bytes.length), false), end: 0 })
    at = end
  }
  return events
}
