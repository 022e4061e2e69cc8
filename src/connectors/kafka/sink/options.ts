import { z } from 'zod'
import { duration, identifier, integer, oneOrMany, properties, size } from '../../../core/options.ts'
import type { RegistryOptions } from '../../../clients/schema-registry/index.ts'
import { registryOption } from '../registry-option.ts'
import { connectionOptions, type KafkaConnectionOptions } from '../connection-options.ts'

export interface KafkaSinkOptions extends KafkaConnectionOptions {
  readonly topic: string
  readonly format: 'json' | 'raw' | 'avro' | 'protobuf' | 'debezium-json'
  readonly registry?: RegistryOptions | undefined
  readonly schemaFile?: string | undefined
  readonly message?: string | undefined
  readonly subject?: string | undefined
  readonly register: boolean
  readonly table?: string | undefined
  readonly value?: readonly string[] | undefined
  readonly key?: readonly string[] | undefined
  readonly partition?: string | undefined
  readonly headers?: string | undefined
  readonly timestamp?: string | undefined
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  /** Bytes. */
  readonly batchBytes: number
  /** Bytes. */
  readonly bufferBytes: number
  readonly writers: 'auto' | number
  readonly transactionalIdPrefix: string
  /** Milliseconds; absent: what the checkpoint's times need. */
  readonly transactionTimeout?: number | undefined
  readonly progressTopic: string
}

const KNOWN_PROPERTIES = ['client.id']

/** The options of the sink `kafka`. */
export const kafkaSinkOptions: z.ZodType<KafkaSinkOptions> = z
  .strictObject({
    ...connectionOptions,
    topic: identifier(249)
      .describe('Topic to write to; it has to exist.')
      .meta({ examples: ['orders'] }),
    format: z
      .enum(['json', 'raw', 'avro', 'protobuf', 'debezium-json'])
      .default('json')
      .describe(
        'json: values are JSON objects. raw: the source’s records as they are, or the one column in `value`. avro, protobuf: one record or message for each row. debezium-json: Debezium’s envelope, with the row in `after`, or in `before` where `__op` is 1.',
      ),
    registry: registryOption.describe(
      'Of avro and protobuf: the schema registry (Confluent’s API) whose ids values begin with. Without one they are the bare record or message.',
    ),
    schemaFile: identifier(1024)
      .optional()
      .describe('Of avro and protobuf: the file (.avsc, .proto) with the schema. Default: it is made of the columns.')
      .meta({ examples: ['order.avsc'] }),
    message: identifier()
      .optional()
      .describe('Of protobuf with a schema: the name of the message. Default: the first one of the file.'),
    subject: identifier(1024)
      .optional()
      .describe('Of a registry: the subject of the schema. Default: the topic and `-value`.'),
    register: z
      .boolean()
      .default(true)
      .describe(
        'Of a registry: registers the schema at the start. With `false` it has to be there: the one in `schemaFile`, or else the newest of the subject is used.',
      ),
    table: identifier(1024)
      .optional()
      .describe('Of debezium-json: `database.table` in `source`. Default: the last two parts of the topic’s name.'),
    value: oneOrMany(identifier())
      .optional()
      .describe('Columns of the value. Default: all. With `format: raw` one column, text or binary.'),
    key: oneOrMany(identifier())
      .optional()
      .describe(
        'Column whose text (or bytes) is the key; of several columns it is a JSON object. Rows of a key go to the partition that Java clients choose. Default: no key.',
      ),
    partition: identifier()
      .optional()
      .describe('Column with the number of the partition. Default: by the key; without one, batches take turns.'),
    headers: identifier().optional().describe('Column with the headers: text with one JSON object of texts.'),
    timestamp: identifier()
      .optional()
      .describe('Column (timestamp) with the time of the record. Default: when it is written.'),
    compression: z.enum(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none').describe('Codec of record batches.'),
    batchBytes: size({ minBytes: 1024, maxBytes: 64 * 1024 * 1024 })
      .prefault('1000KiB')
      .describe('Largest record batch before compression; never more than the topic takes (max.message.bytes).'),
    bufferBytes: size({ minBytes: 1024 * 1024 })
      .prefault('32MiB')
      .describe('Bytes of a lane that may wait for the brokers; then its sources wait.'),
    writers: z
      .union([z.literal('auto'), integer({ min: 1, max: 64 })])
      .default('auto')
      .describe(
        'Transactions that are open at the same time; `auto` is one in each lane. With 1 they are atomic together.',
      ),
    transactionalIdPrefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,40}$/, 'expected 1 to 40 characters of A-Z a-z 0-9 _ -')
      .default('millrace')
      .describe('First part of all transactional ids, for access rules.'),
    transactionTimeout: duration({ minMs: 1000, maxMs: 2 ** 31 - 1 })
      .optional()
      .describe(
        'How long a transaction may stay open (transaction.timeout.ms). Default: what checkpoint.interval, timeout and maxDowntime need.',
      ),
    progressTopic: identifier(249)
      .default('millrace-progress')
      .describe(
        'Compacted topic with one record for each committed transaction, the evidence after a crash; made when missing.',
      ),
    properties: properties()
      .default({})
      .describe(`Settings by Kafka's names: ${KNOWN_PROPERTIES.join(', ')}.`),
  })
  .superRefine((options, context) => {
    for (const key of Object.keys(options.properties)) {
      if (KNOWN_PROPERTIES.includes(key)) continue
      const message = `is not a setting of this sink; there is ${KNOWN_PROPERTIES.join(', ')}`
      context.addIssue({ code: 'custom', path: ['properties', key], message })
    }
    for (const name of ['registry', 'schemaFile'] as const) {
      if (options[name] === undefined || isBinary(options)) continue
      context.addIssue({ code: 'custom', path: [name], message: 'belongs to avro and protobuf' })
    }
    if (options.subject !== undefined && options.registry === undefined)
      context.addIssue({ code: 'custom', path: ['subject'], message: 'needs a `registry`' })
    if (!options.register && options.registry === undefined)
      context.addIssue({ code: 'custom', path: ['register'], message: 'needs a `registry`' })
    if (options.message !== undefined && options.format !== 'protobuf')
      context.addIssue({ code: 'custom', path: ['message'], message: 'belongs to protobuf' })
    if (options.table !== undefined && options.format !== 'debezium-json')
      context.addIssue({ code: 'custom', path: ['table'], message: 'belongs to debezium-json' })
    if (options.format === 'raw' && (options.value?.length ?? 1) !== 1)
      context.addIssue({ code: 'custom', path: ['value'], message: 'a raw value is one column' })
  })

/** Whether values are no text, but made of columns by a schema. */
export function isBinary({ format }: { readonly format: KafkaSinkOptions['format'] }): boolean {
  return format === 'avro' || format === 'protobuf'
}
