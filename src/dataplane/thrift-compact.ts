import { MillraceError } from '../core/errors.ts'

/**
 * The compact protocol of Thrift, as far as a Parquet footer needs it (no maps, no sets). Values stay what they are, so
 * that fields which we do not know are written back as they came.
 * Source: apache/thrift doc/specs/thrift-compact-protocol.md.
 */
export const I16 = 4
export const I32 = 5
export const I64 = 6
export const BINARY = 8
export const LIST = 9
export const STRUCT = 12

const TRUE = 1
const FALSE = 2
const I8 = 3
const DOUBLE = 7
const NESTING_MAX = 32

export type ThriftValue = boolean | bigint | Buffer | ThriftList | ThriftStruct

export interface ThriftList {
  readonly elementType: number
  readonly items: ThriftValue[]
}

/** Fields by number, in the order of the bytes. */
export type ThriftStruct = Map<number, { readonly type: number; readonly value: ThriftValue }>

export function thriftStruct(
  ...fields: readonly (readonly [id: number, type: number, value: ThriftValue])[]
): ThriftStruct {
  return new Map(fields.map(([id, type, value]) => [id, { type, value }]))
}

export class ThriftReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  struct(depth = 0): ThriftStruct {
    if (depth > NESTING_MAX) throw damaged('structures are nested too deeply')
    const fields: ThriftStruct = new Map()
    for (let id = 0; ;) {
      const header = this.#byte()
      if (header === 0) return fields
      const delta = header >> 4
      id = delta === 0 ? Number(this.#zigzag()) : id + delta
      const type = header & 15
      fields.set(id, { type, value: this.#value(type, depth) })
    }
  }

  #value(type: number, depth: number): ThriftValue {
    switch (type) {
      case TRUE:
        return true
      case FALSE:
        return false
      case I8:
        return BigInt(this.#byte())
      case I16:
      case I32:
      case I64:
        return this.#zigzag()
      case DOUBLE:
        return this.#take(8)
      case BINARY:
        return this.#take(Number(this.#varint()))
      case LIST:
        return this.#list(depth)
      case STRUCT:
        return this.struct(depth + 1)
      default:
        throw damaged(`unknown type ${type}`)
    }
  }

  #list(depth: number): ThriftList {
    const header = this.#byte()
    const elementType = header & 15
    const short = header >> 4
    const count = short === 15 ? Number(this.#varint()) : short
    if (count > this.#bytes.length - this.#at) throw damaged('a list is longer than the footer')
    const items: ThriftValue[] = []
    for (let index = 0; index < count; index++) {
      // Booleans in lists have a byte of their own.
      const isBoolean = elementType === TRUE || elementType === FALSE
      items.push(isBoolean ? this.#byte() === TRUE : this.#value(elementType, depth + 1))
    }
    return { elementType, items }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw damaged('it ends too early')
    return byte
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw damaged('it ends too early')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  #varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
    throw damaged('a number is too long')
  }

  #zigzag(): bigint {
    const value = this.#varint()
    return (value >> 1n) ^ -(value & 1n)
  }
}

/** The bytes of a structure. */
export function encodeThrift(fields: ThriftStruct): Buffer {
  const out: number[] = []
  writeStruct(out, fields)
  return Buffer.from(out)
}

function writeStruct(out: number[], fields: ThriftStruct): void {
  let last = 0
  for (const [id, { type, value }] of fields) {
    const actual = typeof value === 'boolean' ? (value ? TRUE : FALSE) : type
    const delta = id - last
    if (delta > 0 && delta <= 15) out.push((delta << 4) | actual)
    else {
      out.push(actual)
      writeVarint(out, zigzag(BigInt(id)))
    }
    if (typeof value !== 'boolean') writeValue(out, type, value)
    last = id
  }
  out.push(0)
}

function writeValue(out: number[], type: number, value: ThriftValue): void {
  if (typeof value === 'boolean') out.push(value ? TRUE : FALSE)
  else if (typeof value === 'bigint') {
    if (type === I8) out.push(Number(value))
    else writeVarint(out, zigzag(value))
  } else if (Buffer.isBuffer(value)) {
    if (type === BINARY) writeVarint(out, BigInt(value.length))
    for (const byte of value) out.push(byte)
  } else if (value instanceof Map) writeStruct(out, value)
  else writeList(out, value)
}

function writeList(out: number[], { elementType, items }: ThriftList): void {
  if (items.length < 15) out.push((items.length << 4) | elementType)
  else {
    out.push(0xf0 | elementType)
    writeVarint(out, BigInt(items.length))
  }
  for (const item of items) writeValue(out, elementType, item)
}

function writeVarint(out: number[], value: bigint): void {
  let rest = value
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128)
  out.push(Number(rest))
}

function zigzag(value: bigint): bigint {
  return value < 0n ? (-value << 1n) - 1n : value << 1n
}

function damaged(what: string): MillraceError {
  return new MillraceError(`reading a Parquet footer: ${what}`, { code: 'DECODE' })
}
