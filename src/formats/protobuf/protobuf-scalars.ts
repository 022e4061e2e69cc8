import { isUtf8 } from 'node:buffer'
import protobuf from 'protobufjs'
import { BadMessage } from '../changes/json-members.ts'
import type { RowBuffer } from '../changes/row-buffer.ts'
import { floatText, timestampText } from '../changes/value-text.ts'
import { unzigzag, WIRE, type ProtobufCursor } from './protobuf-cursor.ts'

/** A type that is no message. */
export interface Scalar {
  readonly wireType: number
  /** Its column. */
  readonly column: string
  /** `none`: the text is JSON already. `plain`: it needs quotes and nothing else. `json`: any text. */
  readonly quotes: 'none' | 'plain' | 'json'
  /** Text of a value that is not there, where that means the default. */
  readonly missing: string
  text(cursor: ProtobufCursor): string
}

const signed = (bits: number) => (cursor: ProtobufCursor) => {
  const value = cursor.varint()
  return String(typeof value === 'number' ? value : BigInt.asIntN(bits, value))
}
const unsigned = (bits: number) => (cursor: ProtobufCursor) => {
  const value = cursor.varint()
  return String(typeof value === 'number' ? value : BigInt.asUintN(bits, value))
}
const zigzag = (cursor: ProtobufCursor): string => String(unzigzag(cursor.varint()))

const varint = (column: string, text: Scalar['text']): Scalar => {
  return { wireType: WIRE.VARINT, column, quotes: 'none', missing: '0', text }
}
const fixed = (bytes: 4 | 8, column: string, read: (buffer: Buffer, at: number) => string): Scalar => {
  const wireType = bytes === 4 ? WIRE.FIXED32 : WIRE.FIXED64
  return { wireType, column, quotes: 'none', missing: '0', text: (cursor) => read(cursor.buffer, cursor.take(bytes)) }
}

/** By their names in .proto files. */
export const SCALARS: Readonly<Record<string, Scalar>> = {
  int32: varint('integer', signed(32)),
  int64: varint('bigint', signed(64)),
  uint32: varint('uinteger', unsigned(32)),
  uint64: varint('ubigint', unsigned(64)),
  sint32: varint('integer', zigzag),
  sint64: varint('bigint', zigzag),
  bool: { ...varint('boolean', (cursor) => (BigInt(cursor.varint()) === 0n ? 'false' : 'true')), missing: 'false' },
  fixed32: fixed(4, 'uinteger', (buffer, at) => String(buffer.readUInt32LE(at))),
  sfixed32: fixed(4, 'integer', (buffer, at) => String(buffer.readInt32LE(at))),
  fixed64: fixed(8, 'ubigint', (buffer, at) => String(buffer.readBigUInt64LE(at))),
  sfixed64: fixed(8, 'bigint', (buffer, at) => String(buffer.readBigInt64LE(at))),
  float: fixed(4, 'float', (buffer, at) => floatText(buffer.readFloatLE(at), true)),
  double: fixed(8, 'double', (buffer, at) => floatText(buffer.readDoubleLE(at), false)),
  string: { wireType: WIRE.BYTES, column: 'varchar', quotes: 'json', missing: '', text: utf8 },
  bytes: {
    wireType: WIRE.BYTES,
    column: 'blob',
    quotes: 'plain',
    missing: '',
    text: ({ buffer, at, end }) => buffer.toString('base64', at, end),
  },
}

/** The scalar of a field; of an enumeration its names, which become text. */
export function scalarOf({ type, resolvedType }: protobuf.Field): Scalar {
  if (resolvedType instanceof protobuf.Enum) return enumeration(resolvedType)
  return scalarNamed(type)
}

export function scalarNamed(type: string): Scalar {
  const scalar = SCALARS[type]
  if (scalar === undefined) throw new BadMessage(`its Protobuf schema has the unknown type ${type}`)
  return scalar
}

export function writeScalar({ quotes, text }: Scalar, cursor: ProtobufCursor, out: RowBuffer): void {
  const value = text(cursor)
  if (quotes === 'json') out.string(value)
  else out.ascii(quotes === 'plain' ? `"${value}"` : value)
}

/** JSON of the default of a field without presence. */
export function missingJson({ quotes, missing }: Scalar): string {
  return quotes === 'none' ? missing : `"${missing}"`
}

/** Whether a field that is not there differs from one with the default: messages, `optional`, `oneof`. */
export function tellsAbsence(field: protobuf.Field): boolean {
  if (field.repeated || field.map) return false
  // Not only a boolean, whatever its type says.
  return field.resolvedType instanceof protobuf.Type || Boolean(field.hasPresence)
}

/** google.protobuf.Timestamp as text in quotes, exact to its last digit. */
export function timestampJson(cursor: ProtobufCursor): string {
  let seconds = 0n
  let nanos = 0
  while (!cursor.isAtEnd) {
    const tag = cursor.size()
    if (tag === (1 << 3) + WIRE.VARINT) seconds = BigInt.asIntN(64, BigInt(cursor.varint()))
    else if (tag === (2 << 3) + WIRE.VARINT) nanos = Number(BigInt.asIntN(32, BigInt(cursor.varint())))
    else cursor.skip(tag & 7)
  }
  if (nanos < 0 || nanos > 999_999_999) throw new BadMessage('a Protobuf Timestamp has nanoseconds out of range')
  const whole = timestampText(seconds * 1_000_000n)
  if (nanos === 0) return `"${whole}+00"`
  const digits = String(nanos).padStart(9, '0')
  return `"${whole}.${digits.endsWith('000') ? digits.slice(0, 6) : digits}+00"`
}

export const TIMESTAMP = '.google.protobuf.Timestamp'

function enumeration({ values }: protobuf.Enum): Scalar {
  const names = new Map<number, string>()
  // The first name of a number counts: later ones are its aliases.
  for (const [name, value] of Object.entries(values)) if (!names.has(value)) names.set(value, name)
  return {
    wireType: WIRE.VARINT,
    column: 'varchar',
    quotes: 'plain',
    missing: names.get(0) ?? '0',
    text: (cursor) => {
      const value = Number(BigInt.asIntN(32, BigInt(cursor.varint())))
      return names.get(value) ?? String(value)
    },
  }
}

function utf8({ buffer, at, end }: ProtobufCursor): string {
  if (!isUtf8(buffer.subarray(at, end))) throw new BadMessage('a Protobuf string is not UTF-8')
  return buffer.toString('utf8', at, end)
}
