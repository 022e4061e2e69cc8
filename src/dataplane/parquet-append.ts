import { MillraceError } from '../core/errors.ts'
import {
  BINARY,
  LIST,
  STRUCT,
  ThriftReader,
  encodeThrift,
  type ThriftStruct,
  type ThriftValue,
} from './thrift-compact.ts'

/*
 * A Parquet file:  PAR1 | row groups (column chunks, dictionaries, filters) | footer | footer length (4) | PAR1
 *
 * Everything in front of the footer is copied as it is; only the offsets in the footer move.
 * Source: apache/parquet-format src/main/thrift/parquet.thrift (field numbers below).
 */
const MAGIC = Buffer.from('PAR1')
const TAIL_BYTES = 8

const FILE = { schema: 2, rows: 3, rowGroups: 4, keyValues: 5 } as const
const GROUP = { columns: 1, fileOffset: 5, ordinal: 7 } as const
const CHUNK = { fileOffset: 2, metadata: 3, offsetIndex: 4, columnIndex: 6 } as const
const META = { dataPage: 9, indexPage: 10, dictionaryPage: 11, bloomFilter: 14 } as const

/**
 * Makes one Parquet file of fragments that were written one by one, without decoding them. The caller writes what
 * `append` and `finish` return, in order, to one file.
 */
export class ParquetAppender {
  #bytes = 0
  #rows = 0
  #first: ThriftStruct | undefined
  #schema: Buffer = Buffer.alloc(0)
  readonly #rowGroups: ThriftValue[] = []

  /** Bytes that were handed out so far; after `finish`, the size of the file. */
  get bytes(): number {
    return this.#bytes
  }

  get rows(): number {
    return this.#rows
  }

  /**
   * Adds a whole Parquet file. What it returns lies in `fragment` and must be written before that is used again.
   *
   * @throws MillraceError `SCHEMA` when its columns are not those of the first fragment, `DECODE` when it is damaged.
   */
  append(fragment: Uint8Array): Uint8Array[] {
    const bytes = Buffer.from(fragment.buffer, fragment.byteOffset, fragment.byteLength)
    const footerStart = footerStartOf(bytes)
    const footer = new ThriftReader(Buffer.from(bytes.subarray(footerStart, bytes.length - TAIL_BYTES))).struct()
    this.#takeSchema(footer)
    const from = this.#bytes === 0 ? 0 : MAGIC.length
    const shift = BigInt(this.#bytes - from)
    for (const group of structsOf(footer, FILE.rowGroups)) {
      moveRowGroup(group, shift, this.#rowGroups.length)
      this.#rowGroups.push(group)
    }
    this.#rows += Number(integerOf(footer, FILE.rows))
    this.#bytes += footerStart - from
    return [bytes.subarray(from, footerStart)]
  }

  /** The footer, which ends the file. `keyValues` take the place of the first fragment's when given. */
  finish(keyValues?: Readonly<Record<string, string>>): Uint8Array {
    if (this.#first === undefined) throw new MillraceError('ending a Parquet file without rows', { code: 'INTERNAL' })
    const footer: ThriftStruct = new Map(this.#first)
    set(footer, FILE.rows, BigInt(this.#rows))
    set(footer, FILE.rowGroups, { elementType: STRUCT, items: this.#rowGroups })
    if (keyValues !== undefined) {
      const items = Object.entries(keyValues).map(([key, value]) => keyValue(key, value))
      footer.set(FILE.keyValues, { type: LIST, value: { elementType: STRUCT, items } })
    }
    const encoded = encodeThrift(new Map([...footer].sort(([left], [right]) => left - right)))
    const tail = Buffer.alloc(TAIL_BYTES)
    tail.writeUInt32LE(encoded.length)
    MAGIC.copy(tail, 4)
    this.#bytes += encoded.length + TAIL_BYTES
    return Buffer.concat([encoded, tail])
  }

  #takeSchema(footer: ThriftStruct): void {
    const schema = encodeThrift(new Map([...footer].filter(([id]) => id === FILE.schema)))
    if (this.#first === undefined) {
      this.#first = footer
      this.#schema = schema
    } else if (!schema.equals(this.#schema)) {
      throw new MillraceError('appending to a Parquet file: the new rows have other columns than the file', {
        code: 'SCHEMA',
      })
    }
  }
}

function footerStartOf(bytes: Buffer): number {
  const isWhole =
    bytes.length > MAGIC.length + TAIL_BYTES &&
    bytes.subarray(0, 4).equals(MAGIC) &&
    bytes.subarray(bytes.length - 4).equals(MAGIC)
  const start = isWhole ? bytes.length - TAIL_BYTES - bytes.readUInt32LE(bytes.length - TAIL_BYTES) : -1
  if (start < MAGIC.length) throw new MillraceError('reading a Parquet fragment: it is damaged', { code: 'DECODE' })
  return start
}

function moveRowGroup(group: ThriftStruct, shift: bigint, ordinal: number): void {
  move(group, GROUP.fileOffset, shift)
  if (group.has(GROUP.ordinal)) set(group, GROUP.ordinal, BigInt(ordinal))
  for (const chunk of structsOf(group, GROUP.columns)) {
    for (const field of [CHUNK.fileOffset, CHUNK.offsetIndex, CHUNK.columnIndex]) move(chunk, field, shift)
    const metadata = chunk.get(CHUNK.metadata)?.value
    if (!(metadata instanceof Map)) throw new MillraceError('reading a Parquet footer: no metadata', { code: 'DECODE' })
    for (const field of Object.values(META)) move(metadata, field, shift)
  }
}

/** Offsets of 0 mean that there is no such thing: nothing lies in front of the magic bytes. */
function move(fields: ThriftStruct, id: number, shift: bigint): void {
  const value = fields.get(id)?.value
  if (typeof value === 'bigint' && value > 0n) set(fields, id, value + shift)
}

function set(fields: ThriftStruct, id: number, value: ThriftValue): void {
  const type = fields.get(id)?.type
  if (type === undefined) throw new MillraceError(`reading a Parquet footer: no field ${id}`, { code: 'DECODE' })
  fields.set(id, { type, value })
}

function integerOf(fields: ThriftStruct, id: number): bigint {
  const value = fields.get(id)?.value
  if (typeof value !== 'bigint') throw new MillraceError(`reading a Parquet footer: no field ${id}`, { code: 'DECODE' })
  return value
}

function structsOf(fields: ThriftStruct, id: number): ThriftStruct[] {
  const value = fields.get(id)?.value
  const items = typeof value === 'object' && 'items' in value ? value.items : []
  return items.filter((item): item is ThriftStruct => item instanceof Map)
}

function keyValue(key: string, value: string): ThriftStruct {
  return new Map([
    [1, { type: BINARY, value: Buffer.from(key) }],
    [2, { type: BINARY, value: Buffer.from(value) }],
  ])
}
