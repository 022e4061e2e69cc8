import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { AvroCursor } from '../../formats/avro/avro-cursor.ts'
import { AvroJson } from '../../formats/avro/avro-json.ts'
import { AvroSchemas, ID_BYTES, schemaIdAt } from '../../formats/avro/avro-schemas.ts'
import { BadMessage } from '../../formats/changes/index.ts'
import type { RowBuffer } from '../../formats/changes/row-buffer.ts'
import type { KafkaSourceOptions } from './options.ts'
import { newestSchema, openRegistry } from './registry.ts'

/** Writes values as JSON rows. What a value needs is learnt before it is decoded, so that decoding does not wait. */
export interface ValueDecoder {
  /** The schema that is not here yet. */
  missing(buffer: Buffer, from: number, to: number): number | undefined
  learn(schema: number): Promise<void>
  decode(buffer: Buffer, from: number, to: number, out: RowBuffer): void
}

export async function openValueDecoder(options: KafkaSourceOptions, baseDirectory: string): Promise<ValueDecoder> {
  const { format, registry, message } = options
  if (format === 'avro') return registry === undefined ? plainAvro(options, baseDirectory) : registeredAvro(options)
  const { plainProtobuf, RegisteredProtobuf } = await import('./protobuf-values.ts')
  if (registry !== undefined) return new RegisteredProtobuf(openRegistry(options, 'PROTOBUF'))
  const text = await schemaFileText(options, baseDirectory)
  return understood(options, () => plainProtobuf(text, message))
}

/** Columns of a topic's values: from the file, or from the newest schema that the registry has for them. */
export async function decodedColumns(options: KafkaSourceOptions, baseDirectory: string): Promise<Schema | undefined> {
  const { format, message, registry, topics } = options
  if (registry !== undefined && topics === undefined) return undefined
  const type = format === 'avro' ? 'AVRO' : 'PROTOBUF'
  const text = registry === undefined ? await schemaFileText(options, baseDirectory) : await newestSchema(options, type)
  if (format === 'avro') return understood(options, () => new AvroJson(text).columns())
  const { protobufColumns } = await import('./protobuf-values.ts')
  return understood(options, () => protobufColumns(text, message))
}

export async function schemaFileText(
  { schemaFile }: { readonly schemaFile?: string | undefined },
  baseDirectory: string,
): Promise<string> {
  if (schemaFile === undefined)
    throw new MillraceError('the format needs a `registry` or a `schemaFile`', { code: 'CONFIG' })
  try {
    return await readFile(path.resolve(baseDirectory, schemaFile), 'utf8')
  } catch (cause) {
    throw new MillraceError(`reading the schema file ${schemaFile}: ${(cause as Error).message}`, {
      code: 'CONFIG',
      cause,
    })
  }
}

/** A schema that cannot be read is no record's fault. */
function understood<T>({ schemaFile, topics }: KafkaSourceOptions, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof BadMessage || error instanceof SyntaxError)) throw error
    const what = schemaFile ?? `the schema of ${topics?.[0] ?? 'the topics'}`
    throw new MillraceError(`reading ${what}: ${error.message}`, { code: 'SCHEMA' })
  }
}

async function plainAvro(options: KafkaSourceOptions, baseDirectory: string): Promise<ValueDecoder> {
  const text = await schemaFileText(options, baseDirectory)
  const avro = understood(options, () => new AvroJson(text))
  const cursor = new AvroCursor()
  return {
    missing: () => undefined,
    learn: () => Promise.resolve(),
    decode: (buffer, from, to, out) => {
      cursor.open(buffer, from, to)
      writeAvro(avro, cursor, out)
    },
  }
}

function registeredAvro(options: KafkaSourceOptions): ValueDecoder {
  const schemas = new AvroSchemas(openRegistry(options, 'AVRO'), (avro) => avro)
  const cursor = new AvroCursor()
  return {
    missing: (buffer, from, to) => {
      const id = schemaIdAt(buffer, from, to)
      return schemas.knows(id) ? undefined : id
    },
    learn: (schema) => schemas.learn(schema),
    decode: (buffer, from, to, out) => {
      cursor.open(buffer, from + ID_BYTES, to)
      writeAvro(schemas.get(schemaIdAt(buffer, from, to)), cursor, out)
    },
  }
}

function writeAvro(avro: AvroJson, cursor: AvroCursor, out: RowBuffer): void {
  avro.write(cursor, out)
  if (!cursor.isAtEnd) throw new BadMessage('its Avro value is longer than its schema says')
}
