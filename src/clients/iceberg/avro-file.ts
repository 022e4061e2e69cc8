import { inflateRawSync, zstdDecompressSync } from 'node:zlib'
import avro, { type Schema, type Type } from 'avsc'
import { MillraceError } from '../../core/errors.ts'

/*
 * An Avro object container:  "Obj" 1 │ map of bytes (avro.schema, avro.codec, …) │ sync │ blocks of: count │ size │ records │ sync
 * Source: Apache Avro 1.11 specification, "Object Container Files".
 */
const MAGIC = Buffer.from([0x4f, 0x62, 0x6a, 0x01])
const SYNC_BYTES = 16
/** Manifests have some megabytes. */
const BLOCK_BYTES_MAX = 512 * 1024 * 1024

const HEADER = avro.Type.forSchema({ type: 'map', values: 'bytes' })
const NUMBER = avro.Type.forSchema('long')

/** 64-bit values as `bigint`: avsc's own longs end at 53 bits. */
const LONG = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (left: bigint, right: bigint) => (left === right ? 0 : left < right ? -1 : 1),
})

export interface AvroFile {
  readonly schema: RecordSchema
  /** Entries of the header beside schema and codec. */
  readonly header: Readonly<Record<string, string>>
  readonly records: readonly Readonly<Record<string, unknown>>[]
}

/** A record's schema with the ids that Iceberg puts on its fields. */
export interface RecordSchema {
  readonly type: 'record'
  readonly fields: readonly { readonly name: string; readonly 'field-id'?: number; readonly type: unknown }[]
}

/**
 * Reads all records of a container by the schema in it. Longs come as `bigint`, bytes as `Buffer`.
 *
 * @throws MillraceError `DECODE` when the file is damaged.
 */
export function readAvroFile(bytes: Uint8Array, name: string): AvroFile {
  try {
    return decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch (thrown) {
    if (thrown instanceof MillraceError) throw thrown
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    throw new MillraceError(`reading ${name}: it is not a readable Avro file (${why}); is it complete?`, {
      code: 'DECODE',
      detail: { file: name },
      cause: thrown,
    })
  }
}

function decode(file: Buffer): AvroFile {
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('the magic bytes are missing')
  const head = HEADER.decode(file, MAGIC.length)
  if (head.offset < 0) throw new Error('its header is cut short')
  const header = texts(head.value as Record<string, Buffer>)
  const schema = JSON.parse(header['avro.schema'] ?? '') as RecordSchema
  if (schema.type !== 'record') throw new Error('it holds no records')
  const type = avro.Type.forSchema(schema as unknown as Schema, { registry: { long: LONG } })
  const sync = file.subarray(head.offset, head.offset + SYNC_BYTES)
  const records: Record<string, unknown>[] = []
  for (let at = head.offset + SYNC_BYTES; at < file.length;) {
    const count = NUMBER.decode(file, at)
    const size = NUMBER.decode(file, count.offset)
    const start = size.offset
    const end = start + Number(size.value)
    if (count.offset < 0 || start < 0 || Number(size.value) < 0 || end + SYNC_BYTES > file.length) {
      throw new Error('a block is cut short')
    }
    if (!file.subarray(end, end + SYNC_BYTES).equals(sync)) throw new Error('a block does not end where it should')
    readBlock(type, unpack(header['avro.codec'] ?? 'null', file.subarray(start, end)), Number(count.value), records)
    at = end + SYNC_BYTES
  }
  return { schema, header, records }
}

function readBlock(type: Type, block: Buffer, count: number, into: Record<string, unknown>[]): void {
  let at = 0
  for (let index = 0; index < count; index++) {
    const { value, offset } = type.decode(block, at)
    if (offset < 0) throw new Error('a record is cut short')
    into.push(value as Record<string, unknown>)
    at = offset
  }
}

function unpack(codec: string, block: Buffer): Buffer {
  if (codec === 'null') return block
  if (codec === 'deflate') return inflateRawSync(block, { maxOutputLength: BLOCK_BYTES_MAX })
  if (codec === 'zstandard') return zstdDecompressSync(block, { maxOutputLength: BLOCK_BYTES_MAX })
  throw new Error(`its codec ${codec} is not supported`)
}

function texts(entries: Record<string, Buffer>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, value.toString()]))
}

/** Names of a record's fields by their ids: Iceberg's names differ between writers, its ids do not. */
export function namesById(schema: RecordSchema): ReadonlyMap<number, string> {
  return new Map(schema.fields.flatMap(({ name, 'field-id': id }) => (id === undefined ? [] : [[id, name] as const])))
}

/** The record schema of a field, through an optional (`["null", {…}]`) and, with `items`, through a list. */
export function nestedRecord(schema: RecordSchema, fieldId: number): RecordSchema | undefined {
  const field = schema.fields.find((one) => one['field-id'] === fieldId)
  return recordIn(field?.type)
}

function recordIn(type: unknown): RecordSchema | undefined {
  if (Array.isArray(type)) return type.map(recordIn).find((found) => found !== undefined)
  if (typeof type !== 'object' || type === null) return undefined
  if ('fields' in type) return type as RecordSchema
  return 'items' in type ? recordIn(type.items) : undefined
}
