import { MillraceError } from '../core/errors.ts'
import { madeChunk, madeSchemaElement, type MadeColumn } from './parquet-made.ts'
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

const FILE = { schema: 2, rows: 3, rowGroups: 4, keyValues: 5, columnOrders: 7 } as const
const GROUP = { columns: 1, bytes: 2, rows: 3, fileOffset: 5, compressedBytes: 6, ordinal: 7 } as const
const SCHEMA_CHILDREN = 5
const CHUNK = { fileOffset: 2, metadata: 3, offsetIndex: 4, columnIndex: 6 } as const
const META = { dataPage: 9, indexPage: 10, dictionaryPage: 11, bloomFilter: 14 } as const

/**
 * Makes one Parquet file of fragments that were written one by one, without decoding them. The caller writes what
 * `append` and `finish` return, in order, to one file. Made columns are put into every row group.
 */
export class ParquetAppender {
  readonly #made: readonly MadeColumn[]
  #bytes = 0
  #rows = 0
  #first: ThriftStruct | undefined
  #schema: Buffer = Buffer.alloc(0)
  readonly #rowGroups: ThriftValue[] = []

  /** `made` in the order of their places. */
  constructor(made: readonly MadeColumn[] = []) {
    this.#made = made
  }

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
    const parts: Uint8Array[] = []
    if (this.#bytes === 0) this.#hand(parts, MAGIC)
    const groups = structsOf(footer, FILE.rowGroups)
    const made: (readonly MadeChunk[])[] = []
    const moves: Move[] = []
    for (const [index, group] of groups.entries()) {
      const from = index === 0 ? MAGIC.length : startOf(group)
      const next = groups[index + 1]
      const to = next === undefined ? footerStart : startOf(next)
      made.push(this.#make(parts, Number(integerOf(group, GROUP.rows))))
      moves.push({ from, shift: BigInt(this.#bytes - from) })
      this.#hand(parts, bytes.subarray(from, to))
    }
    for (const [index, group] of groups.entries()) {
      moveRowGroup(group, moves, this.#rowGroups.length)
      addToRowGroup(group, made[index] ?? [])
      this.#rowGroups.push(group)
    }
    this.#rows += Number(integerOf(footer, FILE.rows))
    return parts
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

  #hand(parts: Uint8Array[], bytes: Uint8Array): void {
    parts.push(bytes)
    this.#bytes += bytes.length
  }

  /** The pages of the made columns for one row group. */
  #make(parts: Uint8Array[], rows: number): readonly MadeChunk[] {
    return this.#made.map((column) => {
      const pages = column.pages(rows)
      const chunk = madeChunk(column, pages, this.#bytes)
      this.#hand(parts, pages.bytes)
      return { at: column.at, chunk, bytes: pages.bytes.length, uncompressedBytes: pages.uncompressedBytes }
    })
  }

  #takeSchema(footer: ThriftStruct): void {
    const schema = encodeThrift(new Map([...footer].filter(([id]) => id === FILE.schema)))
    if (this.#first === undefined) {
      this.#first = footer
      this.#schema = schema
      if (this.#made.length > 0) addToSchema(footer, this.#made)
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

/** How far the bytes from `from` on, up to the next such place, move. */
interface Move {
  readonly from: number
  readonly shift: bigint
}

interface MadeChunk {
  readonly at: number
  readonly chunk: ThriftStruct
  readonly bytes: number
  readonly uncompressedBytes: number
}

function moveRowGroup(group: ThriftStruct, moves: readonly Move[], ordinal: number): void {
  move(group, GROUP.fileOffset, moves)
  if (group.has(GROUP.ordinal)) set(group, GROUP.ordinal, BigInt(ordinal))
  for (const chunk of structsOf(group, GROUP.columns)) {
    for (const field of [CHUNK.fileOffset, CHUNK.offsetIndex, CHUNK.columnIndex]) move(chunk, field, moves)
    for (const field of Object.values(META)) move(metadataOf(chunk), field, moves)
  }
}

function addToRowGroup(group: ThriftStruct, made: readonly MadeChunk[]): void {
  const chunks = itemsOf(group, GROUP.columns)
  for (const { at, chunk, bytes, uncompressedBytes } of made) {
    chunks.splice(at, 0, chunk)
    add(group, GROUP.bytes, uncompressedBytes)
    add(group, GROUP.compressedBytes, bytes)
  }
  const [first] = chunks
  if (made.length > 0 && group.has(GROUP.fileOffset) && first instanceof Map) {
    set(group, GROUP.fileOffset, BigInt(startOfChunk(first)))
  }
}

/** The root counts its children; there may be one order of values for each column. */
function addToSchema(footer: ThriftStruct, made: readonly MadeColumn[]): void {
  const elements = itemsOf(footer, FILE.schema)
  const [root] = elements
  if (!(root instanceof Map)) throw new MillraceError('reading a Parquet footer: no schema', { code: 'DECODE' })
  for (const column of made) {
    // The element of a top-level column stands behind those of all columns in front of it.
    elements.splice(column.at + 1, 0, madeSchemaElement(column))
    add(root, SCHEMA_CHILDREN, 1)
  }
  const [order] = itemsOf(footer, FILE.columnOrders)
  if (order !== undefined) itemsOf(footer, FILE.columnOrders).push(...made.map(() => order))
}

function startOf(group: ThriftStruct): number {
  return Math.min(...structsOf(group, GROUP.columns).map(startOfChunk))
}

function startOfChunk(chunk: ThriftStruct): number {
  const metadata = metadataOf(chunk)
  const dictionary = metadata.get(META.dictionaryPage)?.value
  const data = Number(integerOf(metadata, META.dataPage))
  return typeof dictionary === 'bigint' && dictionary > 0n ? Math.min(Number(dictionary), data) : data
}

function metadataOf(chunk: ThriftStruct): ThriftStruct {
  const metadata = chunk.get(CHUNK.metadata)?.value
  if (!(metadata instanceof Map)) throw new MillraceError('reading a Parquet footer: no metadata', { code: 'DECODE' })
  return metadata
}

/** Offsets of 0 mean that there is no such thing: nothing lies in front of the magic bytes. */
function move(fields: ThriftStruct, id: number, moves: readonly Move[]): void {
  const value = fields.get(id)?.value
  if (typeof value !== 'bigint' || value <= 0n) return
  const shift = moves.findLast(({ from }) => value >= from)?.shift ?? 0n
  set(fields, id, value + shift)
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

/** Adds to a number that may be absent. */
function add(fields: ThriftStruct, id: number, by: number): void {
  if (fields.has(id)) set(fields, id, integerOf(fields, id) + BigInt(by))
}

function itemsOf(fields: ThriftStruct, id: number): ThriftValue[] {
  const value = fields.get(id)?.value
  return typeof value === 'object' && 'items' in value ? value.items : []
}

function structsOf(fields: ThriftStruct, id: number): ThriftStruct[] {
  return itemsOf(fields, id).filter((item): item is ThriftStruct => item instanceof Map)
}

function keyValue(key: string, value: string): ThriftStruct {
  return new Map([
    [1, { type: BINARY, value: Buffer.from(key) }],
    [2, { type: BINARY, value: Buffer.from(value) }],
  ])
}
