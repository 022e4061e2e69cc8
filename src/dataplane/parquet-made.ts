import { assert } from '../core/assert.ts'
import { BINARY, I32, I64, LIST, STRUCT, encodeThrift, thriftStruct, type ThriftStruct } from './thrift-compact.ts'

/*
 * Columns of text that need not pass through a query: the same text in every row, and texts that count. Their pages are
 * written here, the counting ones compressed as they are made, because each row repeats the one before but for a digit.
 * Sources: apache/parquet-format src/main/thrift/parquet.thrift and Encodings.md; google/snappy format_description.txt.
 */
const BYTE_ARRAY = 6n
const UTF8 = 0n
const OPTIONAL = 1n
const PLAIN = 0n
const RLE = 3n
const RLE_DICTIONARY = 8n
const UNCOMPRESSED = 0n
const SNAPPY = 1n
const DATA_PAGE = 0n
const DICTIONARY_PAGE = 2n

/** A column of text to put into every row group of a file whose columns before it are not nested. */
export interface MadeColumn {
  readonly name: string
  /** Its place among all columns of the file. */
  readonly at: number
  /** Called for one row group after the other. */
  readonly pages: (rows: number) => MadePages
}

/** The pages of one column in one row group. */
export interface MadePages {
  readonly rows: number
  readonly bytes: Buffer
  /** Bytes of the dictionary page in front, 0 without one. */
  readonly dictionaryBytes: number
  readonly codec: bigint
  readonly uncompressedBytes: number
  /** The text of all rows, where it is one. */
  readonly constant: Buffer | undefined
}

/** Pages with the same text in every row: a dictionary of one value. */
export function constantPages(text: string, rows: number): MadePages {
  const value = Buffer.from(text)
  const dictionary = withLength(value)
  // One run of a one-bit index, which is 0.
  const indices = Buffer.from([1, ...varint(rows * 2), 0])
  const data = Buffer.concat([allPresent(rows), indices])
  const dictionaryPage = Buffer.concat([dictionaryHeader(dictionary.length), dictionary])
  const bytes = Buffer.concat([dictionaryPage, dataHeader(rows, RLE_DICTIONARY, data.length, data.length), data])
  return {
    rows,
    bytes,
    dictionaryBytes: dictionaryPage.length,
    codec: UNCOMPRESSED,
    uncompressedBytes: bytes.length,
    constant: value,
  }
}

/** Longer texts would need another form of literals. */
const PREFIX_BYTES_MAX = 200

/** Pages with the texts `prefix` + `first`, `prefix` + `first + 1`, and so on. */
export function countedPages(prefix: string, first: number, rows: number): MadePages {
  const { compressed, length } = countedTexts(Buffer.from(prefix), first, rows)
  const header = dataHeader(rows, PLAIN, length, compressed.length)
  return {
    rows,
    bytes: Buffer.concat([header, compressed]),
    dictionaryBytes: 0,
    codec: SNAPPY,
    uncompressedBytes: header.length + length,
    constant: undefined,
  }
}

/** Levels and values of the page as a snappy stream: each text is a copy of the last one and its changed digits. */
function countedTexts(prefix: Buffer, first: number, rows: number): { compressed: Buffer; length: number } {
  assert(rows > 0, 'a row group has rows')
  assert(prefix.length <= PREFIX_BYTES_MAX, 'the prefix of counted texts is short')
  assert(Number.isSafeInteger(first) && first >= 0 && Number.isSafeInteger(first + rows), 'texts count whole numbers')
  const levels = allPresent(rows)
  const text = Buffer.alloc(4 + prefix.length + 16)
  const digitsAt = prefix.copy(text, 4) + 4
  let end = digitsAt + text.write(String(first), digitsAt, 'latin1')
  // A row takes copies of up to 64 bytes, three bytes each, and a literal; whole rows are rare.
  const stream = new SnappyStream(levels.length + 10 * text.length + rows * (3 * Math.ceil(text.length / 64) + 8))
  stream.literal(levels, 0, levels.length)
  text.writeUInt32LE(end - 4, 0)
  stream.literal(text, 0, end)
  let nine: StreamPart | undefined
  for (let row = 1; row < rows; row++) {
    if (text[end - 1] === ZERO && rows - row >= 9) {
      // From 1 to 9 in the last place a stream says the same each time.
      if (nine?.length !== 9 * end) nine = nineRows(end)
      stream.part(nine)
      text[end - 1] = NINE
      row += 8
      continue
    }
    let changed = end - 1
    while (changed >= digitsAt && text[changed] === NINE) text[changed--] = ZERO
    if (changed < digitsAt) {
      // One digit more: 999 became 1000.
      text[digitsAt] = ONE
      text[end++] = ZERO
      text.writeUInt32LE(end - 4, 0)
      stream.literal(text, 0, end)
    } else {
      text[changed] = (text[changed] ?? ZERO) + 1
      stream.copy(end, changed)
      stream.literal(text, changed, end)
    }
  }
  return stream.finish()
}

/** The rows that follow one with a 0 in the last place of its `end` bytes. */
function nineRows(end: number): StreamPart {
  const digit = Buffer.alloc(1)
  const stream = new SnappyStream(9 * (3 * Math.ceil(end / COPY_BYTES_MAX) + 2))
  for (digit[0] = ONE; digit[0] <= NINE; digit[0]++) {
    stream.copy(end, end - 1)
    stream.literal(digit, 0, 1)
  }
  return stream.whole()
}

const ZERO = 0x30
const ONE = 0x31
const NINE = 0x39
const COPY_BYTES_MAX = 64
/** Room in front for the length, which is known at the end. */
const PREAMBLE_BYTES = 5

/** Elements of a stream, and how many bytes they stand for. */
interface StreamPart {
  readonly elements: Buffer
  readonly length: number
}

class SnappyStream {
  readonly #out: Buffer
  #at = PREAMBLE_BYTES
  #length = 0

  constructor(bytesMax: number) {
    this.#out = Buffer.allocUnsafe(PREAMBLE_BYTES + bytesMax)
  }

  /** At most 256 bytes of new content. */
  literal(bytes: Buffer, from: number, to: number): void {
    const length = to - from
    const out = this.#out
    if (length <= 60) out[this.#at++] = (length - 1) << 2
    else {
      out[this.#at++] = 60 << 2
      out[this.#at++] = length - 1
    }
    for (let at = from; at < to; at++) out[this.#at++] = bytes[at] ?? 0
    this.#length += length
  }

  /** `length` bytes again that stand `offset` bytes before. */
  copy(offset: number, length: number): void {
    const out = this.#out
    for (let left = length; left > 0; left -= COPY_BYTES_MAX) {
      out[this.#at++] = ((Math.min(left, COPY_BYTES_MAX) - 1) << 2) | 2
      out[this.#at++] = offset & 0xff
      out[this.#at++] = offset >> 8
    }
    this.#length += length
  }

  part({ elements, length }: StreamPart): void {
    this.#out.set(elements, this.#at)
    this.#at += elements.length
    this.#length += length
  }

  whole(): StreamPart {
    return { elements: this.#out.subarray(PREAMBLE_BYTES, this.#at), length: this.#length }
  }

  finish(): { compressed: Buffer; length: number } {
    const preamble = varint(this.#length)
    const start = PREAMBLE_BYTES - preamble.length
    this.#out.set(preamble, start)
    return { compressed: this.#out.subarray(start, this.#at), length: this.#length }
  }
}

/** The element of the file's schema. */
export function madeSchemaElement({ name }: MadeColumn): ThriftStruct {
  return thriftStruct([1, I32, BYTE_ARRAY], [3, I32, OPTIONAL], [4, BINARY, Buffer.from(name)], [6, I32, UTF8])
}

/** The column chunk in the footer, for pages that begin at `offset`. */
export function madeChunk({ name }: MadeColumn, pages: MadePages, offset: number): ThriftStruct {
  const { rows, bytes, dictionaryBytes, codec, uncompressedBytes, constant } = pages
  const encodings = dictionaryBytes > 0 ? [PLAIN, RLE, RLE_DICTIONARY] : [PLAIN, RLE]
  const metadata = thriftStruct(
    [1, I32, BYTE_ARRAY],
    [2, LIST, { elementType: I32, items: encodings }],
    [3, LIST, { elementType: BINARY, items: [Buffer.from(name)] }],
    [4, I32, codec],
    [5, I64, BigInt(rows)],
    [6, I64, BigInt(uncompressedBytes)],
    [7, I64, BigInt(bytes.length)],
    [9, I64, BigInt(offset + dictionaryBytes)],
    ...(dictionaryBytes > 0 ? [[11, I64, BigInt(offset)] as const] : []),
    ...(constant === undefined ? [] : [[12, STRUCT, constantStatistics(constant)] as const]),
  )
  return thriftStruct([2, I64, 0n], [3, STRUCT, metadata])
}

function constantStatistics(value: Buffer): ThriftStruct {
  return thriftStruct([3, I64, 0n], [5, BINARY, value], [6, BINARY, value])
}

/** Definition levels of rows that all have a value: one run. */
function allPresent(rows: number): Buffer {
  return withLength(Buffer.from([...varint(rows * 2), 1]))
}

function dataHeader(rows: number, encoding: bigint, bytes: number, compressedBytes: number): Buffer {
  const page = thriftStruct([1, I32, BigInt(rows)], [2, I32, encoding], [3, I32, RLE], [4, I32, RLE])
  return encodeThrift(
    thriftStruct([1, I32, DATA_PAGE], [2, I32, BigInt(bytes)], [3, I32, BigInt(compressedBytes)], [5, STRUCT, page]),
  )
}

function dictionaryHeader(bytes: number): Buffer {
  const size = BigInt(bytes)
  const page = thriftStruct([1, I32, 1n], [2, I32, PLAIN])
  return encodeThrift(thriftStruct([1, I32, DICTIONARY_PAGE], [2, I32, size], [3, I32, size], [7, STRUCT, page]))
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest & 127) | 128)
  bytes.push(rest)
  return bytes
}
