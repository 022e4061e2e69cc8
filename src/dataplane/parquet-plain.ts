import {
  BINARY,
  I32,
  I64,
  LIST,
  STRUCT,
  encodeThrift,
  thriftStruct,
  type ThriftStruct,
  type ThriftValue,
} from './thrift-compact.ts'

/*
 * The least of a Parquet file: one row group, one uncompressed page for each column, no statistics, no dictionaries.
 * Source: apache/parquet-format src/main/thrift/parquet.thrift (all numbers below).
 */
const MAGIC = Buffer.from('PAR1')
const OPTIONAL = 1n
const PLAIN = 0n
const RLE = 3n
const UNCOMPRESSED = 0n
const DATA_PAGE = 0n

/** The physical types that are used here. */
export const INT64 = 2
export const BYTE_ARRAY = 6

/** Parquet's `ConvertedType`: what the physical values mean. */
export const UTF8 = 0
export const DECIMAL = 5
export const TIMESTAMP_MICROS = 10

export interface PlainColumn {
  readonly name: string
  readonly physical: typeof INT64 | typeof BYTE_ARRAY
  readonly converted?: number
  readonly precision?: number
  readonly scale?: number
}

/** The values of a column, and which rows have one (`ColumnPage`). */
export interface PlainPage {
  readonly rows: number
  readonly data: Buffer
  /** Bytes used of `data`. */
  readonly length: number
  levels(): Buffer
}

/** The parts of a file that holds these pages, in order. The values stay where they are. */
export function plainParquet(columns: readonly PlainColumn[], pages: readonly PlainPage[]): Uint8Array[] {
  const parts: Uint8Array[] = [MAGIC]
  const rows = pages[0]?.rows ?? 0
  const chunks: ThriftValue[] = []
  let at = MAGIC.length
  for (const [index, column] of columns.entries()) {
    const page = pages[index]
    if (page === undefined || rows === 0) continue
    const levels = page.levels()
    const header = pageHeader(rows, levels.length + page.length)
    const bytes = header.length + levels.length + page.length
    parts.push(Buffer.concat([header, levels]), page.data.subarray(0, page.length))
    chunks.push(chunk(column, rows, at, bytes))
    at += bytes
  }
  const footer = encodeThrift(fileMetadata(columns, rows, at, chunks))
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(footer.length)
  parts.push(footer, tail, MAGIC)
  return parts
}

function pageHeader(rows: number, bytes: number): Buffer {
  const size = BigInt(bytes)
  const page = thriftStruct([1, I32, BigInt(rows)], [2, I32, PLAIN], [3, I32, RLE], [4, I32, RLE])
  return encodeThrift(thriftStruct([1, I32, DATA_PAGE], [2, I32, size], [3, I32, size], [5, STRUCT, page]))
}

function chunk({ name, physical }: PlainColumn, rows: number, at: number, bytes: number): ThriftStruct {
  const metadata = thriftStruct(
    [1, I32, BigInt(physical)],
    [2, LIST, { elementType: I32, items: [PLAIN, RLE] }],
    [3, LIST, { elementType: BINARY, items: [Buffer.from(name)] }],
    [4, I32, UNCOMPRESSED],
    [5, I64, BigInt(rows)],
    [6, I64, BigInt(bytes)],
    [7, I64, BigInt(bytes)],
    [9, I64, BigInt(at)],
  )
  return thriftStruct([2, I64, BigInt(at)], [3, STRUCT, metadata])
}

function fileMetadata(
  columns: readonly PlainColumn[],
  rows: number,
  bytes: number,
  chunks: ThriftValue[],
): ThriftStruct {
  const root = thriftStruct([4, BINARY, Buffer.from('rows')], [5, I32, BigInt(columns.length)])
  const group = thriftStruct(
    [1, LIST, { elementType: STRUCT, items: chunks }],
    [2, I64, BigInt(bytes)],
    [3, I64, BigInt(rows)],
  )
  return thriftStruct(
    [1, I32, 1n],
    [2, LIST, { elementType: STRUCT, items: [root, ...columns.map(schemaElement)] }],
    [3, I64, BigInt(rows)],
    [4, LIST, { elementType: STRUCT, items: rows === 0 ? [] : [group] }],
  )
}

function schemaElement({ name, physical, converted, scale, precision }: PlainColumn): ThriftStruct {
  const element = thriftStruct([1, I32, BigInt(physical)], [3, I32, OPTIONAL], [4, BINARY, Buffer.from(name)])
  if (converted !== undefined) element.set(6, { type: I32, value: BigInt(converted) })
  if (scale !== undefined) element.set(7, { type: I32, value: BigInt(scale) })
  if (precision !== undefined) element.set(8, { type: I32, value: BigInt(precision) })
  return element
}
