import { MillraceError } from '../../core/errors.ts'
import { ThriftReader, type ThriftStruct, type ThriftValue } from '../thrift-compact.ts'
import { readExactly, withTail, type ByteRange, type ByteRanges } from './byte-ranges.ts'

/** Numbers of the fields in apache/parquet-format src/main/thrift/parquet.thrift. */
export const FILE = { version: 1, schema: 2, rows: 3, rowGroups: 4, createdBy: 6, encryption: 8 } as const
export const ELEMENT = { name: 4, children: 5, fieldId: 9 } as const
export const GROUP = { columns: 1, bytes: 2, rows: 3 } as const
export const CHUNK = { path: 1, fileOffset: 2, metadata: 3, crypto: 8 } as const
export const META = { uncompressed: 6, compressed: 7, dataPage: 9, dictionaryPage: 11 } as const

const MAGIC = 'PAR1'
const TAIL_BYTES = 8
/** Read at first: most footers are shorter, and small files are there at once. */
const FIRST_READ_BYTES = 256 * 1024
const FOOTER_BYTES_MAX = 256 * 1024 * 1024

/** A column of the file's rows; what is nested in it belongs to it. */
export interface ParquetColumn {
  readonly name: string
  /** Stays when a column is renamed; Iceberg finds columns by it. */
  readonly fieldId: number | undefined
  /** A struct, a list or a map. */
  readonly isNested: boolean
  /** Its elements in the schema. */
  readonly elements: readonly ThriftStruct[]
  /** Its leaves, as numbers of column chunks in a row group. */
  readonly leaves: { readonly from: number; readonly to: number }
}

export interface ParquetRowGroup {
  readonly rows: number
  /** Rows of the file before it. */
  readonly firstRow: number
  /** Where it begins in the file. */
  readonly start: number
  /** For each leaf. */
  readonly chunks: readonly ParquetChunk[]
}

export interface ParquetChunk extends ByteRange {
  readonly uncompressed: number
  readonly struct: ThriftStruct
}

/** What the end of a Parquet file says about it. */
export interface ParquetFooter {
  readonly rows: number
  readonly columns: readonly ParquetColumn[]
  readonly groups: readonly ParquetRowGroup[]
  /** The fields that a file with fewer columns and row groups keeps. */
  readonly kept: ThriftStruct
  readonly root: ThriftStruct
}

/**
 * Reads the footer, and gives the file back with what is in memory of it by now.
 *
 * @throws MillraceError `DECODE` when it is no whole Parquet file, `SCHEMA` when it is encrypted.
 */
export async function readFooter(file: ByteRanges): Promise<{ footer: ParquetFooter; file: ByteRanges }> {
  if (file.size < MAGIC.length + TAIL_BYTES) throw notParquet(file, 'it is too short')
  const firstStart = Math.max(0, file.size - FIRST_READ_BYTES)
  let start = firstStart
  let tail = asBuffer(await readExactly(file, start, file.size))
  if (tail.toString('latin1', tail.length - MAGIC.length) !== MAGIC) throw notParquet(file, 'it does not end in PAR1')
  const length = tail.readUInt32LE(tail.length - TAIL_BYTES)
  const footerStart = file.size - TAIL_BYTES - length
  if (footerStart < MAGIC.length || length > FOOTER_BYTES_MAX) throw notParquet(file, 'its footer has no place in it')
  if (footerStart < start) {
    tail = Buffer.concat([await readExactly(file, footerStart, start), tail])
    start = footerStart
  }
  const bytes = tail.subarray(footerStart - start, tail.length - TAIL_BYTES)
  return { footer: parseFooter(bytes, file), file: withTail(file, firstStart, tail.subarray(firstStart - start)) }
}

function parseFooter(bytes: Buffer, file: ByteRanges): ParquetFooter {
  const fields = struct(bytes, file)
  if (fields.has(FILE.encryption)) {
    throw new MillraceError(`reading ${file.name}: it is encrypted`, { code: 'SCHEMA', detail: { file: file.name } })
  }
  const [root, ...elements] = structsOf(fields, FILE.schema)
  if (root === undefined) throw notParquet(file, 'it has no schema')
  const columns = columnsOf(elements, numberOf(root, ELEMENT.children) ?? 0)
  const leaves = columns.at(-1)?.leaves.to ?? 0
  let firstRow = 0
  const groups = structsOf(fields, FILE.rowGroups).map((group) => {
    const parsed = parseGroup(group, firstRow, leaves, file)
    firstRow += parsed.rows
    return parsed
  })
  const kept: ThriftStruct = new Map([...fields].filter(([id]) => id === FILE.version || id === FILE.createdBy))
  return { rows: firstRow, columns, groups, kept, root }
}

function struct(bytes: Buffer, file: ByteRanges): ThriftStruct {
  try {
    return new ThriftReader(bytes).struct()
  } catch (cause) {
    throw notParquet(file, 'its footer is damaged', cause)
  }
}

/** The schema is a tree that was written root first: each element says how many children follow. */
function columnsOf(elements: readonly ThriftStruct[], count: number): readonly ParquetColumn[] {
  const columns: ParquetColumn[] = []
  let at = 0
  let leaf = 0
  for (let index = 0; index < count; index++) {
    const first = at
    const from = leaf
    for (let open = 1; open > 0; at++) {
      const children = numberOf(elements[at] ?? new Map(), ELEMENT.children) ?? 0
      if (children === 0) leaf++
      open += children - 1
      if (at >= elements.length) break
    }
    const [top] = elements.slice(first, at)
    if (top === undefined) break
    columns.push({
      name: textOf(top, ELEMENT.name),
      fieldId: numberOf(top, ELEMENT.fieldId),
      isNested: at - first > 1,
      elements: elements.slice(first, at),
      leaves: { from, to: leaf },
    })
  }
  return columns
}

function parseGroup(group: ThriftStruct, firstRow: number, leaves: number, file: ByteRanges): ParquetRowGroup {
  const chunks = structsOf(group, GROUP.columns).map((chunk) => parseChunk(chunk, file))
  if (chunks.length !== leaves) throw notParquet(file, 'a row group has not as many columns as the file')
  const rows = numberOf(group, GROUP.rows)
  if (rows === undefined || rows < 0) throw notParquet(file, 'a row group does not say how many rows it has')
  return { rows, firstRow, start: Math.min(...chunks.map((chunk) => chunk.start)), chunks }
}

function parseChunk(chunk: ThriftStruct, file: ByteRanges): ParquetChunk {
  const metadata = chunk.get(CHUNK.metadata)?.value
  if (!(metadata instanceof Map) || chunk.has(CHUNK.crypto) || chunk.has(CHUNK.path)) {
    throw notParquet(file, 'a column lies in another file or is encrypted')
  }
  const pages = [META.dictionaryPage, META.dataPage].map((id) => numberOf(metadata, id) ?? 0).filter((at) => at > 0)
  const start = Math.min(...pages)
  const end = start + (numberOf(metadata, META.compressed) ?? Number.NaN)
  if (!(start >= MAGIC.length && end >= start && end <= file.size - TAIL_BYTES)) {
    throw notParquet(file, 'a column lies outside of the file')
  }
  return { start, end, uncompressed: numberOf(metadata, META.uncompressed) ?? end - start, struct: chunk }
}

export function structsOf(fields: ThriftStruct, id: number): ThriftStruct[] {
  const value = fields.get(id)?.value
  const items = isList(value) ? value.items : []
  return items.filter((item): item is ThriftStruct => item instanceof Map)
}

function isList(value: ThriftValue | undefined): value is ThriftValue & { readonly items: ThriftValue[] } {
  return typeof value === 'object' && 'items' in value
}

function numberOf(fields: ThriftStruct, id: number): number | undefined {
  const value = fields.get(id)?.value
  return typeof value === 'bigint' ? Number(value) : undefined
}

function textOf(fields: ThriftStruct, id: number): string {
  const value = fields.get(id)?.value
  return Buffer.isBuffer(value) ? value.toString('utf8') : ''
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function notParquet(file: ByteRanges, why: string, cause?: unknown): MillraceError {
  return new MillraceError(`reading ${file.name} as Parquet: ${why}; is it complete?`, {
    code: 'DECODE',
    detail: { file: file.name },
    cause,
  })
}
