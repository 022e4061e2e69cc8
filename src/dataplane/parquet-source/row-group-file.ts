import { BINARY, encodeThrift, I32, I64, LIST, STRUCT, type ThriftStruct, type ThriftValue } from '../thrift-compact.ts'
import { readPieces, readRanges, type ByteRanges } from './byte-ranges.ts'
import {
  CHUNK,
  ELEMENT,
  FILE,
  GROUP,
  META,
  type ParquetChunk,
  type ParquetFooter,
  type ParquetRowGroup,
} from './footer.ts'

/*
 * One row group as a Parquet file of its own, with some of its columns:
 *
 *   PAR1 | the column chunks, byte for byte | a footer with one row group | its length (4) | PAR1
 *
 * DuckDB then reads exactly those bytes, whatever else is in the file and wherever it lies. Columns are called c0, c1, …
 * in the order asked for, so that no name of a file can stand in the way. Statistics are left out: DuckDB would believe
 * wrong ones.
 */
const MAGIC = Buffer.from('PAR1')
const KEPT_IN_CHUNK: ReadonlySet<number> = new Set([CHUNK.fileOffset, CHUNK.metadata])
/** type, encodings, path, codec, values, sizes, data page, dictionary page. */
const KEPT_IN_METADATA: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 7, 9, 11])
const PATH = 3

/** The name of the column that was asked for as number `index`. */
export function rowGroupColumn(index: number): string {
  return `c${index}`
}

/** The bytes of the file, one part behind the other. `columns` are numbers of the footer's columns. */
export async function rowGroupFile(
  file: ByteRanges,
  footer: ParquetFooter,
  group: ParquetRowGroup,
  columns: readonly number[],
): Promise<readonly Uint8Array[]> {
  const chunks = chunksOf(footer, group, columns).map(({ chunk }) => chunk)
  const bytes = await readRanges(file, chunks)
  return [MAGIC, ...bytes.flat(), movedFooter(footer, group, columns)]
}

/** The same bytes, one piece after the other, for a row group that is too large to be in memory. */
export async function* rowGroupPieces(
  file: ByteRanges,
  footer: ParquetFooter,
  group: ParquetRowGroup,
  columns: readonly number[],
): AsyncGenerator<Uint8Array> {
  const chunks = chunksOf(footer, group, columns).map(({ chunk }) => chunk)
  yield MAGIC
  yield* readPieces(file, chunks)
  yield movedFooter(footer, group, columns)
}

/** The footer of a file in which the chunks lie one behind the other. */
function movedFooter(footer: ParquetFooter, group: ParquetRowGroup, columns: readonly number[]): Buffer {
  let at = MAGIC.length
  const chunks = chunksOf(footer, group, columns).map(({ chunk, column }): ThriftStruct => {
    const start = at
    at += chunk.end - chunk.start
    return moveChunk(chunk, start - chunk.start, column)
  })
  return footerOf(footer, columns, { rows: group.rows, chunks })
}

/** A file with these columns and no rows, to see their types. */
export function emptyRowGroupFile(footer: ParquetFooter, columns: readonly number[]): readonly Uint8Array[] {
  return [MAGIC, footerOf(footer, columns, undefined)]
}

/** Bytes of the chunks as they lie in the file, and unpacked. */
export function rowGroupBytes(
  footer: ParquetFooter,
  group: ParquetRowGroup,
  columns: readonly number[],
): { readonly packed: number; readonly unpacked: number } {
  let packed = 0
  let unpacked = 0
  for (const { chunk } of chunksOf(footer, group, columns)) {
    packed += chunk.end - chunk.start
    unpacked += chunk.uncompressed
  }
  return { packed, unpacked }
}

function chunksOf(
  footer: ParquetFooter,
  group: ParquetRowGroup,
  columns: readonly number[],
): readonly { readonly chunk: ParquetChunk; readonly column: number }[] {
  return columns.flatMap((number, column) => {
    const leaves = footer.columns[number]?.leaves
    return group.chunks.slice(leaves?.from, leaves?.to).map((chunk) => ({ chunk, column }))
  })
}

function moveChunk(chunk: ParquetChunk, shift: number, column: number): ThriftStruct {
  const result: ThriftStruct = new Map()
  for (const [id, field] of chunk.struct) {
    if (!KEPT_IN_CHUNK.has(id)) continue
    const { value } = field
    if (id === CHUNK.fileOffset) result.set(id, { ...field, value: BigInt(chunk.start + shift) })
    else if (value instanceof Map) result.set(id, { ...field, value: moveMetadata(value, BigInt(shift), column) })
  }
  return result
}

function moveMetadata(metadata: ThriftStruct, shift: bigint, column: number): ThriftStruct {
  const result: ThriftStruct = new Map()
  for (const [id, field] of metadata) {
    if (!KEPT_IN_METADATA.has(id)) continue
    const { value } = field
    const isOffset = id === META.dataPage || id === META.dictionaryPage
    // A dictionary page at 0 is none: nothing lies in front of the magic bytes.
    if (isOffset && typeof value === 'bigint') {
      if (value > 0n) result.set(id, { ...field, value: value + shift })
    } else if (id === PATH) result.set(id, { ...field, value: renamed(value, column) })
    else result.set(id, field)
  }
  return result
}

function renamed(path: ThriftValue, column: number): ThriftValue {
  if (typeof path !== 'object' || !('items' in path)) return path
  return { ...path, items: [Buffer.from(rowGroupColumn(column)), ...path.items.slice(1)] }
}

function footerOf(
  footer: ParquetFooter,
  columns: readonly number[],
  group: { readonly rows: number; readonly chunks: readonly ThriftStruct[] } | undefined,
): Buffer {
  const root: ThriftStruct = new Map(footer.root)
  root.set(ELEMENT.children, { type: I32, value: BigInt(columns.length) })
  const elements = columns.flatMap((number, column) => {
    const [top, ...nested] = footer.columns[number]?.elements ?? []
    if (top === undefined) return []
    const name = { type: BINARY, value: Buffer.from(rowGroupColumn(column)) }
    return [inOrder(new Map([...top, [ELEMENT.name, name]])), ...nested]
  })
  const fields: ThriftStruct = new Map(footer.kept)
  fields.set(FILE.schema, { type: LIST, value: { elementType: STRUCT, items: [inOrder(root), ...elements] } })
  fields.set(FILE.rows, { type: I64, value: BigInt(group?.rows ?? 0) })
  fields.set(FILE.rowGroups, { type: LIST, value: { elementType: STRUCT, items: group ? [groupOf(group)] : [] } })
  const encoded = encodeThrift(inOrder(fields))
  const tail = Buffer.alloc(4 + MAGIC.length)
  tail.writeUInt32LE(encoded.length)
  MAGIC.copy(tail, 4)
  return Buffer.concat([encoded, tail])
}

function groupOf({ rows, chunks }: { readonly rows: number; readonly chunks: readonly ThriftStruct[] }): ThriftStruct {
  return new Map([
    [GROUP.columns, { type: LIST, value: { elementType: STRUCT, items: [...chunks] } }],
    [GROUP.bytes, { type: I64, value: 0n }],
    [GROUP.rows, { type: I64, value: BigInt(rows) }],
  ])
}

/** The compact protocol counts field numbers up. */
function inOrder(fields: ThriftStruct): ThriftStruct {
  return new Map([...fields].sort(([one], [other]) => one - other))
}
