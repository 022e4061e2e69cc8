import avro, { type Schema } from 'avsc'
import { MillraceError } from '../../../core/errors.ts'

/*
 * A file of archived instants is one of Hudi's log files (HoodieLogFormatWriter.java, HoodieAvroDataBlock.java): blocks of
 *
 *   "#HUDI#" | length of what follows (8) | version 1 (4) | block type 3 (4) | header | content length (8) | content
 *            | footer | length of the whole block (8)
 *
 * header and footer: number of entries (4), each key (4), length (4), UTF-8 text; key 2 is the Avro schema
 * content: version 3 (4), number of records (4), each length (4), Avro
 *
 * All numbers are big-endian.
 */
const MAGIC = Buffer.from('#HUDI#')
const FORMAT_VERSION = 1
const AVRO_DATA = 3
const SCHEMA_KEY = 2
const CONTENT_VERSION = 3

/** One block with all records. */
export function encodeLog(schema: Schema, records: readonly unknown[]): Uint8Array {
  const type = avro.Type.forSchema(schema)
  const content = [int(CONTENT_VERSION), int(records.length)]
  for (const record of records) {
    const bytes = type.toBuffer(record)
    content.push(int(bytes.length), bytes)
  }
  const text = Buffer.from(JSON.stringify(schema))
  const header = [int(FORMAT_VERSION), int(AVRO_DATA), int(1), int(SCHEMA_KEY), int(text.length), text]
  const body = Buffer.concat([...header, long(lengthOf(content)), ...content, int(0)])
  const blockLength = body.length + 8
  return Buffer.concat([MAGIC, long(blockLength), body, long(MAGIC.length + 8 + body.length)])
}

/** All records of a log, by the schemas in it. Throws PREFLIGHT for what is no such file. */
export function decodeLog(file: Uint8Array, name: string): readonly unknown[] {
  try {
    const reader = new Reader(Buffer.from(file))
    const records: unknown[] = []
    while (!reader.isAtEnd) records.push(...block(reader))
    return records
  } catch (thrown) {
    throw new MillraceError(`reading ${name}: it is not a readable archive of a timeline`, {
      code: 'PREFLIGHT',
      cause: thrown,
    })
  }
}

function block(reader: Reader): readonly unknown[] {
  if (!reader.bytes(MAGIC.length).equals(MAGIC)) throw new Error('the magic bytes are missing')
  reader.long()
  const version = reader.int()
  const kind = reader.int()
  if (version !== FORMAT_VERSION || kind !== AVRO_DATA) throw new Error(`block ${kind} of version ${version}`)
  const header = new Map<number, string>()
  for (let left = reader.int(); left > 0; left--) header.set(reader.int(), reader.bytes(reader.int()).toString())
  const type = avro.Type.forSchema(JSON.parse(header.get(SCHEMA_KEY) ?? '') as Schema)
  reader.long()
  reader.int()
  const records: unknown[] = []
  for (let left = reader.int(); left > 0; left--) records.push(type.fromBuffer(reader.bytes(reader.int())))
  for (let left = reader.int(); left > 0; left--) reader.bytes(4 + reader.bytes(4).readInt32BE(0))
  reader.long()
  return records
}

class Reader {
  readonly #file: Buffer
  #at = 0

  constructor(file: Buffer) {
    this.#file = file
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#file.length
  }

  bytes(length: number): Buffer {
    if (length < 0 || this.#at + length > this.#file.length) throw new Error('it is cut short')
    this.#at += length
    return this.#file.subarray(this.#at - length, this.#at)
  }

  int(): number {
    return this.bytes(4).readInt32BE(0)
  }

  long(): number {
    return Number(this.bytes(8).readBigInt64BE(0))
  }
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0)
}
