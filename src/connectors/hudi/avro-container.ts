import { createHash } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import avro, { type Schema } from 'avsc'
import { MillraceError } from '../../core/errors.ts'

/**
 * An Avro object container with one record, as Hudi keeps its plans:
 *
 *   "Obj" 1 │ map of bytes (avro.schema, avro.codec, …) │ sync │ count │ size │ record │ sync
 *
 * (Apache Avro 1.11 specification, "Object Container Files".)
 */
const MAGIC = Buffer.from([0x4f, 0x62, 0x6a, 0x01])
const SYNC_BYTES = 16

const HEADER = avro.Type.forSchema({ type: 'map', values: 'bytes' })
const LONG = avro.Type.forSchema('long')

/** `note` adds entries to the header, which readers that do not know them pass over. */
export function encodeContainer(schema: Schema, record: unknown, note: Readonly<Record<string, string>>): Uint8Array {
  const body = avro.Type.forSchema(schema).toBuffer(record)
  const header: Record<string, Buffer> = {
    'avro.schema': Buffer.from(JSON.stringify(schema)),
    'avro.codec': Buffer.from('null'),
  }
  for (const [key, value] of Object.entries(note)) header[key] = Buffer.from(value)
  // Any 16 bytes will do; these are the same for the same content, so that a repeated write is the same file.
  const sync = createHash('md5').update(body).digest()
  return Buffer.concat([MAGIC, HEADER.toBuffer(header), sync, LONG.toBuffer(1), LONG.toBuffer(body.length), body, sync])
}

export interface Container {
  readonly record: unknown
  readonly note: Readonly<Record<string, string>>
}

/** Reads the first record, by the schema in the file. Throws PREFLIGHT for what is no such container. */
export function decodeContainer(bytes: Uint8Array, name: string): Container {
  try {
    return decode(Buffer.from(bytes))
  } catch (thrown) {
    throw new MillraceError(`reading ${name}: it is not a readable Avro container`, {
      code: 'PREFLIGHT',
      cause: thrown,
    })
  }
}

function decode(file: Buffer): Container {
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('the magic bytes are missing')
  const header = HEADER.decode(file, MAGIC.length)
  const entries = header.value as Record<string, Buffer>
  const count = LONG.decode(file, header.offset + SYNC_BYTES)
  const size = LONG.decode(file, count.offset)
  if (header.offset < 0 || count.offset < 0 || size.offset < 0 || count.value < 1) throw new Error('it is cut short')
  const block = file.subarray(size.offset, size.offset + Number(size.value))
  const codec = entries['avro.codec']?.toString() ?? 'null'
  if (codec !== 'null' && codec !== 'deflate') throw new Error(`the codec ${codec} is unknown`)
  const type = avro.Type.forSchema(JSON.parse(entries['avro.schema']?.toString() ?? '') as Schema)
  const record: unknown = type.decode(codec === 'deflate' ? inflateRawSync(block) : block).value
  const note = Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, value.toString()]))
  return { record, note }
}
