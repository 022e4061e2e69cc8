import { isUtf8 } from 'node:buffer'
import { assert } from '../core/assert.ts'
import type { RecordMetadata } from '../core/batch.ts'
import type { BytesPiece, Column } from '../dataplane/index.ts'
import { HOUSE_CSV } from './house-csv.ts'
import { timestampText } from './micros-text.ts'

const NEWLINE = 0x0a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** What the source knows of a record as JSON text, or `null`. */
type Reader = (row: number) => string

/**
 * Puts what the source knows about each record into the record, so that SQL sees it as columns. The names of these
 * columns begin with `_`; a record that has such a key itself is refused as holding it twice.
 */
export function withMetadata(
  piece: BytesPiece,
  metadata: RecordMetadata | undefined,
  columns: readonly Column[],
  encoding: 'json' | 'csv',
): BytesPiece {
  assert(metadata !== undefined, 'the source fills the metadata that the plan asks for')
  const readers = columns.map((column) => readerOf(column, metadata))
  const keys = columns.map(({ name }, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)
  // Metadata is short; where it is not, the buffer grows.
  let target = Buffer.allocUnsafe(piece.length + piece.rows * 48 + 1024)
  let length = 0
  const reserve = (bytes: number): void => {
    if (length + bytes <= target.length) return
    const larger = Buffer.allocUnsafe((length + bytes) * 2)
    target.copy(larger, 0, 0, length)
    target = larger
  }
  const copy = (from: number, to: number): void => {
    reserve(to - from)
    length += piece.buffer.copy(target, length, from, to)
  }
  const write = (text: string): void => {
    reserve(text.length * 3)
    length += target.write(text, length)
  }
  let start = 0
  for (let row = 0; row < piece.rows; row++) {
    const end = piece.buffer.indexOf(NEWLINE, start)
    if (encoding === 'csv') {
      copy(start, end)
      write(readers.map((read) => HOUSE_CSV.separator + csvField(read(row))).join('') + '\n')
    } else {
      let text = ''
      for (let index = 0; index < keys.length; index++) text += keys[index] + (readers[index]?.(row) ?? 'null')
      const brace = piece.buffer.indexOf(OPEN_BRACE, start)
      // No object: it stays as it is, and is refused where it is decoded.
      if (brace === -1 || brace >= end) {
        copy(start, end + 1)
        start = end + 1
        continue
      }
      write(isEmptyObject(piece.buffer, brace + 1) ? text : text + ',')
      copy(brace + 1, end + 1)
    }
    start = end + 1
  }
  return { buffer: target, length, rows: piece.rows }
}

function isEmptyObject(buffer: Buffer, at: number): boolean {
  let next = at
  while (buffer[next] === 0x20 || buffer[next] === 0x09) next++
  return buffer[next] === CLOSE_BRACE
}

function readerOf({ name, type }: Column, metadata: RecordMetadata): Reader {
  switch (name) {
    case '_file':
      return (row) => JSON.stringify(metadata.file?.[row] ?? null)
    case '_partition':
      return (row) => String(metadata.partition?.[row] ?? null)
    case '_offset':
      return (row) => String(metadata.offset?.[row] ?? null)
    case '_timestamp':
      return (row) => momentOf(metadata.timestamp?.[row], type.kind)
    case '_key':
      return (row) => keyOf(metadata.key?.[row] ?? null, type.kind)
    case '_headers':
      return (row) => JSON.stringify(metadata.headers?.[row] ?? null)
    default:
      assert(false, `no source knows ${name} of its records`)
  }
}

function momentOf(micros: bigint | undefined, kind: Column['type']['kind']): string {
  if (micros === undefined) return 'null'
  if (kind === 'integer') return String(micros)
  const text = timestampText(micros, 6)
  if (text === undefined) return 'null'
  return kind === 'timestamptz' ? `"${text}+00"` : `"${text}"`
}

/** Bytes travel in base64; a key that is asked for as text and is none is NULL rather than some other text. */
function keyOf(key: Uint8Array | null, kind: Column['type']['kind']): string {
  if (key === null) return 'null'
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength)
  if (kind === 'blob') return `"${bytes.toString('base64')}"`
  return isUtf8(bytes) ? JSON.stringify(bytes.toString('utf8')) : 'null'
}

function csvField(json: string): string {
  if (json === 'null') return HOUSE_CSV.nullText
  return json.startsWith('"') ? (JSON.parse(json) as string) : json
}
