import { BadMessage } from '../changes/json-members.ts'
import { ProtobufCursor, unzigzag } from './protobuf-cursor.ts'

/** Deeper nesting is no schema that anybody wrote. */
const DEPTH_MAX = 32
const FIRST = [0] as const

/**
 * Which message of its schema a value is, as Confluent's serializers write it behind the schema's id: how many numbers, then
 * the numbers, all in zig-zag; a single zero stands for the first message.
 */
export function messageIndexesAt(
  buffer: Buffer,
  from: number,
  to: number,
): { readonly indexes: readonly number[]; readonly at: number } {
  // Nearly always.
  if (from < to && buffer[from] === 0) return { indexes: FIRST, at: from + 1 }
  const cursor = new ProtobufCursor(buffer, from, to)
  const count = Number(unzigzag(cursor.varint()))
  if (count < 0 || count > DEPTH_MAX) throw new BadMessage('it does not say which message of its schema it is')
  const indexes = Array.from({ length: count }, () => Number(unzigzag(cursor.varint())))
  return { indexes, at: cursor.at }
}

/** The same as bytes. */
export function messageIndexBytes(indexes: readonly number[]): Buffer {
  const isFirst = indexes.length === 1 && indexes[0] === 0
  return Buffer.from((isFirst ? [0] : [indexes.length, ...indexes].map((index) => index * 2)).flatMap(varintBytes))
}

function varintBytes(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varintBytes(value >>> 7)]
}
