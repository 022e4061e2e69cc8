import { SchemaRegistry, type SchemaType } from '../../../clients/schema-registry/index.ts'
import { MillraceError } from '../../../core/errors.ts'
import type { Column } from '../../../dataplane/index.ts'
import { AvroRows } from '../../../formats/avro/avro-rows.ts'
import { derivedAvro } from '../../../formats/avro/derived-avro.ts'
import type { RowFormat } from '../../../formats/binary-rows/row-format.ts'
import { schemaFileText } from '../value-decoder.ts'
import type { KafkaSinkOptions } from './options.ts'

/** How values are made of rows, where they are no text. */
export interface ValueFormat {
  readonly rows: RowFormat
  /** What each value begins with: the id of its schema, where there is a registry. */
  readonly head: Buffer
}

/** Finds the schema of the values, or registers it, and fits the columns to it. */
export async function openValueFormat(
  options: KafkaSinkOptions,
  columns: readonly Column[],
  baseDirectory: string,
): Promise<ValueFormat> {
  const found = await schemaOf(options, columns, baseDirectory)
  const { rows, place } = await fitted(options, found.schema, columns)
  const { registry } = options
  if (registry === undefined) return { rows, head: Buffer.alloc(0) }
  const id = found.id ?? (await registered(options, new SchemaRegistry(registry), found.schema))
  const head = Buffer.alloc(5)
  head.writeInt32BE(id, 1)
  return { rows, head: Buffer.concat([head, place]) }
}

/** Whether the columns fit the schema, and the schema the registry. Changes nothing. */
export async function checkValueFormat(
  options: KafkaSinkOptions,
  columns: readonly Column[],
  baseDirectory: string,
): Promise<void> {
  const { registry } = options
  const { schema, id } = await schemaOf(options, columns, baseDirectory)
  await fitted(options, schema, columns)
  if (registry === undefined || id !== undefined) return
  const client = new SchemaRegistry(registry)
  if (!options.register) return void (await registered(options, client, schema))
  const subject = subjectOf(options)
  const { isCompatible, reasons } = await client.compatibility(subject, typeOf(options), schema)
  if (isCompatible) return
  throw new MillraceError(
    `the schema of the rows is not compatible with the newest one of ${subject}: ${reasons.join('; ').slice(0, 500) || 'the registry does not say why'}`,
    { code: 'SCHEMA' },
  )
}

interface FoundSchema {
  readonly schema: string
  /** Where it came from the registry. */
  readonly id?: number
}

async function schemaOf(
  options: KafkaSinkOptions,
  columns: readonly Column[],
  baseDirectory: string,
): Promise<FoundSchema> {
  const { schemaFile, registry, register, topic } = options
  if (schemaFile !== undefined) return { schema: await schemaFileText(options, baseDirectory) }
  if (registry !== undefined && !register) {
    const newest = await new SchemaRegistry(registry).latest(subjectOf(options))
    if (newest.type === typeOf(options)) return newest
    throw new MillraceError(`the newest schema of ${subjectOf(options)} is ${newest.type}, not ${typeOf(options)}`, {
      code: 'SCHEMA',
    })
  }
  if (options.format === 'avro') return { schema: derivedAvro(topic, columns) }
  const { derivedProtobuf } = await import('../../../formats/protobuf/derived-protobuf.ts')
  return { schema: derivedProtobuf(topic, columns) }
}

/** The rows' columns over the schema; of Protobuf also which message of it they are. */
async function fitted(
  { format, message }: KafkaSinkOptions,
  schema: string,
  columns: readonly Column[],
): Promise<{ readonly rows: RowFormat; readonly place: Buffer }> {
  try {
    if (format === 'avro') return { rows: new AvroRows(schema, columns), place: Buffer.alloc(0) }
    const [{ ProtobufFile }, { ProtobufRows }, { messageIndexBytes }] = await Promise.all([
      import('../../../formats/protobuf/protobuf-file.ts'),
      import('../../../formats/protobuf/protobuf-rows.ts'),
      import('../../../formats/protobuf/message-indexes.ts'),
    ])
    const file = new ProtobufFile(schema)
    const type = file.message(message)
    return { rows: new ProtobufRows(type, columns), place: messageIndexBytes(file.indexesOf(type)) }
  } catch (error) {
    if (error instanceof MillraceError) throw error
    throw new MillraceError(`reading the schema of the values: ${(error as Error).message}`, { code: 'SCHEMA' })
  }
}

async function registered(options: KafkaSinkOptions, client: SchemaRegistry, schema: string): Promise<number> {
  const subject = subjectOf(options)
  if (options.register) return await client.register(subject, typeOf(options), schema)
  const id = await client.find(subject, typeOf(options), schema)
  if (id !== undefined) return id
  throw new MillraceError(`the schema of ${options.schemaFile ?? 'the rows'} is not registered as ${subject}`, {
    code: 'SCHEMA',
  })
}

function subjectOf({ subject, topic }: KafkaSinkOptions): string {
  return subject ?? `${topic}-value`
}

function typeOf({ format }: KafkaSinkOptions): SchemaType {
  return format === 'avro' ? 'AVRO' : 'PROTOBUF'
}
