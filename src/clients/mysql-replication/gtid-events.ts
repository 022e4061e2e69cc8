import { PacketFields } from './packet-fields.ts'

/** The transaction that begins: its origin (`uuid` or `uuid:tag`) and number. */
export interface MysqlGtid {
  readonly origin: string
  readonly number: bigint
  /** When the transaction was committed here and, for a replica, where it came from: microseconds since 1970; 0: unknown. */
  readonly committedMicros: number
}

/** GTID event (33): flags, 16 bytes of uuid, number, then logical clock and commit times since 5.7 and 8.0. */
export function parseGtid(body: Buffer): MysqlGtid {
  const hasTimes = body.length >= 49
  return {
    origin: uuidText(body.subarray(1, 17)),
    number: body.readBigInt64LE(17),
    // Type (1) and two numbers of the logical clock (16) are in between. 7 bytes, the highest bit says: the original follows.
    committedMicros: hasTimes ? commitMicros(body.readUIntLE(42, 6) + (body.readUInt8(48) & 0x7f) * 2 ** 48) : 0,
  }
}

/**
 * Tagged GTID event (42), in the server's self-describing format (libs/mysql/serialization/readme.md): fields with their
 * numbers, each value in a variable-length code.
 */
export function parseTaggedGtid(body: Buffer): MysqlGtid {
  const at = new PacketFields(body)
  // Version, total size, number of the last field that may not be ignored.
  varlen(at)
  varlen(at)
  varlen(at)
  let uuid = ''
  let number = 0n
  let tag = ''
  let micros = 0
  while (!at.isAtEnd) {
    const field = Number(varlen(at))
    switch (field) {
      case 0:
        varlen(at)
        break
      case 1: {
        const bytes = Buffer.alloc(16)
        for (let index = 0; index < 16; index++) bytes[index] = Number(varlen(at))
        uuid = uuidText(bytes)
        break
      }
      case 2:
        number = zigzag(varlen(at))
        break
      case 3:
        tag = at.take(Number(varlen(at))).toString('latin1')
        break
      case 6:
        micros = Number(varlen(at))
        return { origin: tag === '' ? uuid : `${uuid}:${tag}`, number, committedMicros: micros }
      default:
        varlen(at)
    }
  }
  return { origin: tag === '' ? uuid : `${uuid}:${tag}`, number, committedMicros: micros }
}

export interface MariadbGtid {
  readonly domain: number
  readonly sequence: bigint
  /** The transaction is one statement, such as DDL, and has no event at its end. */
  readonly isStandalone: boolean
  readonly isXa: boolean
}

/** MariaDB's GTID event (162): number, domain, flags; it takes the place of BEGIN. */
export function parseMariadbGtid(body: Buffer): MariadbGtid {
  const flags = body.readUInt8(12)
  return {
    sequence: body.readBigUInt64LE(0),
    domain: body.readUInt32LE(8),
    isStandalone: (flags & 0x01) !== 0,
    isXa: (flags & 0xc0) !== 0,
  }
}

/** Unsigned number whose length stands as ones in the lowest bits of its first byte: `…0` 1 byte, `…01` 2, up to 9. */
function varlen(at: PacketFields): bigint {
  const first = at.uint(1)
  let ones = 0
  while (ones < 8 && (first & (1 << ones)) !== 0) ones++
  let value = ones >= 7 ? 0n : BigInt(first >> (ones + 1))
  let shift = ones >= 7 ? 0n : BigInt(7 - ones)
  for (let index = 0; index < ones; index++) {
    value |= BigInt(at.uint(1)) << shift
    shift += 8n
  }
  return value
}

function zigzag(value: bigint): bigint {
  return (value & 1n) === 0n ? value >> 1n : -((value + 1n) >> 1n)
}

function commitMicros(value: number): number {
  return Number.isSafeInteger(value) ? value : 0
}

function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
