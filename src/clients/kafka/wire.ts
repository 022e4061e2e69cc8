import { MillraceError } from '../../core/errors.ts'

/** Larger values are sent from where they are: a fresh copy of a record batch costs more than encoding it. */
const REFERRED_BYTES_MIN = 16 * 1024

/**
 * Writes the fields of a request body in Kafka's wire types (kafka.apache.org/protocol, "Protocol Primitive Types").
 * All APIs we speak use the flexible encoding: compact lengths are unsigned varints of length + 1, and every structure
 * ends in tagged fields, of which we send none.
 */
export class RequestWriter {
  /** What stands before the buffer, when something large was written. */
  readonly #before: Uint8Array[] = []
  #buffer: Buffer = Buffer.allocUnsafe(256)
  #length = 0

  int8(value: number): this {
    this.#reserve(1)
    this.#length = this.#buffer.writeInt8(value, this.#length)
    return this
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  int16(value: number): this {
    this.#reserve(2)
    this.#length = this.#buffer.writeInt16BE(value, this.#length)
    return this
  }

  int32(value: number): this {
    this.#reserve(4)
    this.#length = this.#buffer.writeInt32BE(value, this.#length)
    return this
  }

  int64(value: bigint): this {
    this.#reserve(8)
    this.#length = this.#buffer.writeBigInt64BE(value, this.#length)
    return this
  }

  uvarint(value: number): this {
    this.#reserve(5)
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#buffer[this.#length++] = rest
    return this
  }

  /** COMPACT_STRING or COMPACT_NULLABLE_STRING. */
  string(value: string | null): this {
    return value === null ? this.uvarint(0) : this.bytes(Buffer.from(value, 'utf8'))
  }

  /** The STRING of APIs and headers older than the flexible encoding: an int16 length. */
  legacyString(value: string): this {
    const bytes = Buffer.from(value, 'utf8')
    return this.int16(bytes.length).raw(bytes)
  }

  /** COMPACT_BYTES or COMPACT_RECORDS. */
  bytes(value: Uint8Array): this {
    return this.uvarint(value.length + 1).raw(value)
  }

  uuid(value: string): this {
    return this.raw(Buffer.from(value.replaceAll('-', ''), 'hex'))
  }

  raw(bytes: Uint8Array): this {
    if (bytes.length >= REFERRED_BYTES_MIN) return this.#refer(bytes)
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  array<T>(items: readonly T[] | null, write: (item: T) => void): this {
    if (items === null) return this.uvarint(0)
    this.uvarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  /** The empty tagged fields that end a flexible structure. */
  tags(): this {
    return this.uvarint(0)
  }

  /**
   * What was written, in order. Large values are the caller's own memory, not copies. The writer must not be used
   * afterwards.
   */
  finish(): readonly [first: Buffer, ...rest: Uint8Array[]] {
    const last = this.#buffer.subarray(0, this.#length)
    const [first, ...rest] = this.#before
    return first === undefined ? [last] : [first as Buffer, ...rest, last]
  }

  #refer(bytes: Uint8Array): this {
    this.#before.push(this.#buffer.subarray(0, this.#length), bytes)
    this.#buffer = Buffer.allocUnsafe(64)
    this.#length = 0
    return this
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

/** Reads the fields of a response. Everything is checked against the end: a damaged response is a `DECODE` error. */
export class ResponseReader {
  readonly buffer: Buffer
  position: number

  constructor(buffer: Buffer, position = 0) {
    this.buffer = buffer
    this.position = position
  }

  int8(): number {
    return this.buffer.readInt8(this.#take(1))
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  int16(): number {
    return this.buffer.readInt16BE(this.#take(2))
  }

  int32(): number {
    return this.buffer.readInt32BE(this.#take(4))
  }

  int64(): bigint {
    return this.buffer.readBigInt64BE(this.#take(8))
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.buffer.readUInt8(this.#take(1))
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw damaged('a length of more than five bytes')
  }

  string(): string {
    return this.nullableString() ?? ''
  }

  nullableString(): string | null {
    return this.nullableBytes()?.toString('utf8') ?? null
  }

  legacyString(): string {
    return this.#slice(this.int16()).toString('utf8')
  }

  bytes(): Buffer {
    return this.nullableBytes() ?? Buffer.alloc(0)
  }

  /** A view into the response, not a copy. */
  nullableBytes(): Buffer | null {
    const length = this.uvarint()
    return length === 0 ? null : this.#slice(length - 1)
  }

  uuid(): string {
    const hex = this.#slice(16).toString('hex')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  /** A null array reads as an empty one. */
  array<T>(read: () => T): T[] {
    return this.#items(this.uvarint() - 1, read)
  }

  legacyArray<T>(read: () => T): T[] {
    return this.#items(this.int32(), read)
  }

  tags(): void {
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint()
      this.#slice(this.uvarint())
    }
  }

  #items<T>(count: number, read: () => T): T[] {
    // No element is smaller than a byte, so a count beyond the rest is damage and must not become an allocation.
    if (count > this.buffer.length - this.position) throw damaged(`an array of ${count} elements`)
    const items: T[] = []
    for (let left = count; left > 0; left--) items.push(read())
    return items
  }

  #slice(length: number): Buffer {
    const start = this.#take(length)
    return this.buffer.subarray(start, start + length)
  }

  #take(length: number): number {
    const start = this.position
    if (length < 0 || start + length > this.buffer.length) throw damaged(`a field of ${length} bytes`)
    this.position = start + length
    return start
  }
}

function damaged(what: string): MillraceError {
  return new MillraceError(`response from Kafka is damaged: ${what} does not fit into it`, {
    code: 'DECODE',
    retry: 'restart',
  })
}
