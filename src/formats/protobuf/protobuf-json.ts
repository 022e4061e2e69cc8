import protobuf from 'protobufjs'
import { assert } from '../../core/assert.ts'
import type { TableColumn } from '../../core/changes.ts'
import { BadMessage } from '../changes/json-members.ts'
import type { RowBuffer } from '../changes/row-buffer.ts'
import { ProtobufCursor, WIRE } from './protobuf-cursor.ts'
import {
  missingJson,
  scalarNamed,
  scalarOf,
  tellsAbsence,
  TIMESTAMP,
  timestampJson,
  writeScalar,
  type Scalar,
} from './protobuf-scalars.ts'

/** Deeper messages are an attack, or a mistake. */
const DEPTH_MAX = 100

/** A message type as a function that writes its values as JSON rows, and as columns. */
export class ProtobufJson {
  readonly #message: MessageWriter
  readonly #type: protobuf.Type

  constructor(type: protobuf.Type) {
    this.#type = type
    this.#message = new MessageWriter(type, new Map())
  }

  columns(): TableColumn[] {
    return this.#type.fieldsArray.map((field) => ({
      name: field.name,
      type: columnType(field),
      nullable: tellsAbsence(field),
    }))
  }

  write(buffer: Buffer, from: number, to: number, out: RowBuffer): void {
    this.#message.write(new ProtobufCursor(buffer, from, to), out, 0)
  }
}

type WriteValue = (cursor: ProtobufCursor, out: RowBuffer, depth: number) => void

interface FieldWriter {
  /** With a brace or a comma before it. */
  readonly name: string
  readonly wireType: number
  /** Of one value in a list. */
  readonly valueType: number
  readonly isRepeated: boolean
  readonly isMap: boolean
  readonly isMessage: boolean
  /** JSON of a field that is not there. */
  readonly missing: string
  /** Of one value; of a map: of its values. */
  readonly write: WriteValue
  /** Of a map. */
  readonly key?: Scalar
}

/**
 * Fields come in any order and the last one of its number counts, so that a message is first looked through and then
 * written in the order of its declaration.
 */
class MessageWriter {
  readonly #type: protobuf.Type
  readonly #known: Map<protobuf.Type, MessageWriter>
  #fields: FieldWriter[] | undefined
  readonly #places = new Map<number, number>()

  constructor(type: protobuf.Type, known: Map<protobuf.Type, MessageWriter>) {
    this.#type = type
    this.#known = known
    known.set(type, this)
  }

  write(cursor: ProtobufCursor, out: RowBuffer, depth: number): void {
    if (depth > DEPTH_MAX) throw new BadMessage(`its Protobuf messages are nested more than ${DEPTH_MAX} deep`)
    const fields = (this.#fields ??= this.#open())
    const found = this.#find(cursor, fields)
    if (fields.length === 0) out.ascii('{')
    for (let place = 0; place < fields.length; place++) {
      const field = fields[place] as FieldWriter
      const ranges = found[place]
      out.ascii(field.name)
      if (ranges === undefined) out.ascii(field.missing)
      else if (field.isMap) writeMap(cursor.buffer, field, ranges, out, depth)
      else if (field.isRepeated) writeList(cursor.buffer, field, ranges, out, depth)
      else writeOne(cursor.buffer, field, ranges, out, depth)
    }
    out.ascii('}')
  }

  /** By place of the field: where its values are, as triples of start, end and wire type. */
  #find(cursor: ProtobufCursor, fields: readonly FieldWriter[]): (number[] | undefined)[] {
    const found: (number[] | undefined)[] = Array.from({ length: fields.length }, () => undefined)
    while (!cursor.isAtEnd) {
      const tag = cursor.size()
      const wireType = tag & 7
      const place = this.#places.get(tag >>> 3)
      const field = place === undefined ? undefined : fields[place]
      const from = behind(cursor, wireType)
      if (place === undefined || field === undefined) continue
      const isPacked = field.isRepeated && !field.isMessage && wireType === WIRE.BYTES
      if (wireType !== field.wireType && !isPacked) continue
      // The last value of its number counts; messages of one number are one message in pieces.
      const before = field.isRepeated || field.isMap || field.isMessage ? found[place] : undefined
      if (before === undefined) found[place] = [from, cursor.at, wireType]
      else before.push(from, cursor.at, wireType)
    }
    return found
  }

  #open(): FieldWriter[] {
    return this.#type.fieldsArray.map((field, place) => {
      this.#places.set(field.id, place)
      const { resolvedType, repeated: isRepeated } = field
      const isMap = field instanceof protobuf.MapField
      const message = resolvedType instanceof protobuf.Type ? resolvedType : undefined
      const scalar = message === undefined ? scalarOf(field) : undefined
      const ofOne = scalar === undefined || tellsAbsence(field) ? 'null' : missingJson(scalar)
      return {
        name: `${place === 0 ? '{' : ','}${JSON.stringify(field.name)}:`,
        wireType: isMap ? WIRE.BYTES : (scalar?.wireType ?? WIRE.BYTES),
        valueType: scalar?.wireType ?? WIRE.BYTES,
        isRepeated,
        isMap,
        isMessage: message !== undefined,
        missing: isMap ? '{}' : isRepeated ? '[]' : ofOne,
        write: message === undefined ? scalarWriter(scalar as Scalar) : this.#messageWriter(message),
        ...(isMap && { key: scalarNamed(field.keyType) }),
      }
    })
  }

  #messageWriter(type: protobuf.Type): WriteValue {
    if (type.fullName === TIMESTAMP) return (cursor, out) => out.ascii(timestampJson(cursor))
    const writer = this.#known.get(type) ?? new MessageWriter(type, this.#known)
    return (cursor, out, depth) => writer.write(cursor, out, depth + 1)
  }
}

function scalarWriter(scalar: Scalar): WriteValue {
  return (cursor, out) => {
    // The value of a map's entry that has none.
    if (cursor.isAtEnd && scalar.wireType !== WIRE.BYTES) out.ascii(missingJson(scalar))
    else writeScalar(scalar, cursor, out)
  }
}

function columnType(field: protobuf.Field): string {
  if (field.repeated || field instanceof protobuf.MapField) return 'json'
  const { resolvedType } = field
  if (!(resolvedType instanceof protobuf.Type)) return scalarOf(field).column
  return resolvedType.fullName === TIMESTAMP ? 'timestamp with time zone' : 'json'
}

function writeOne(buffer: Buffer, field: FieldWriter, ranges: readonly number[], out: RowBuffer, depth: number): void {
  if (ranges.length === 3) return field.write(new ProtobufCursor(buffer, ranges[0] ?? 0, ranges[1] ?? 0), out, depth)
  const pieces: Buffer[] = []
  for (let at = 0; at < ranges.length; at += 3) pieces.push(buffer.subarray(ranges[at], ranges[at + 1]))
  const whole = Buffer.concat(pieces)
  field.write(new ProtobufCursor(whole, 0, whole.length), out, depth)
}

function writeList(buffer: Buffer, field: FieldWriter, ranges: readonly number[], out: RowBuffer, depth: number): void {
  let comma = '['
  for (let at = 0; at < ranges.length; at += 3) {
    const cursor = new ProtobufCursor(buffer, ranges[at] ?? 0, ranges[at + 1] ?? 0)
    // Numbers are packed: one behind the other in one field of bytes.
    const isPacked = ranges[at + 2] === WIRE.BYTES && field.valueType !== WIRE.BYTES
    do {
      if (isPacked && cursor.isAtEnd) break
      out.ascii(comma)
      comma = ','
      field.write(cursor, out, depth)
    } while (isPacked && !cursor.isAtEnd)
  }
  out.ascii(comma === '[' ? '[]' : ']')
}

/** An entry is a message with the key as 1 and the value as 2; a key that comes again replaces the value. */
function writeMap(buffer: Buffer, field: FieldWriter, ranges: readonly number[], out: RowBuffer, depth: number): void {
  const { key } = field
  assert(key !== undefined, 'a map has keys')
  const last = new Map<string, ProtobufCursor>()
  for (let at = 0; at < ranges.length; at += 3) {
    const entry = new ProtobufCursor(buffer, ranges[at] ?? 0, ranges[at + 1] ?? 0)
    let text = key.missing
    let value = new ProtobufCursor(buffer, 0, 0)
    while (!entry.isAtEnd) {
      const tag = entry.size()
      const part = partOf(entry, tag & 7)
      if (tag >>> 3 === 1) text = key.text(part)
      else if (tag >>> 3 === 2) value = part
    }
    last.set(text, value)
  }
  let comma = '{'
  for (const [text, value] of last) {
    out.ascii(comma)
    comma = ','
    out.string(text)
    out.ascii(':')
    field.write(value, out, depth)
  }
  out.ascii('}')
}

function partOf(cursor: ProtobufCursor, wireType: number): ProtobufCursor {
  const from = behind(cursor, wireType)
  return new ProtobufCursor(cursor.buffer, from, cursor.at)
}

/** Moves behind a value; tells where it began, behind its length where it has one. */
function behind(cursor: ProtobufCursor, wireType: number): number {
  const bytes = wireType === WIRE.BYTES ? cursor.size() : undefined
  const from = cursor.at
  if (bytes === undefined) cursor.skip(wireType)
  else cursor.take(bytes)
  return from
}
