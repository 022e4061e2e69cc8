import { z } from 'zod'
import { duration, identifier, properties } from '../../core/options.ts'
import type { RegistryOptions } from '../../clients/schema-registry/index.ts'
import {
  CHANGE_FORMATS,
  FEED_FORMATS,
  tellsChanges,
  type ChangeFormatName,
  type FeedFormatName,
} from '../../formats/changes/names.ts'
import { registryOption } from './registry-option.ts'
import { connectionOptions, type KafkaConnectionOptions } from './connection-options.ts'

const offsetsByTopic = z.record(
  z.string(),
  z.record(z.string().regex(/^\d+$/), z.union([z.int().min(0), z.string().regex(/^\d+$/)])),
)
const time = z.union([
  z.iso.datetime({
    offset: true,
    local: true,
    error: 'expected earliest, latest, a time or {topic: {partition: offset}}',
  }),
  z.int().min(0).describe('Milliseconds since 1970.'),
])

/** Settings that may stand under `properties`, by Kafka's own names. */
const KNOWN_PROPERTIES = [
  'client.id',
  'isolation.level',
  'fetch.max.bytes',
  'max.partition.fetch.bytes',
  'fetch.max.wait.ms',
]

/** The options of the source `kafka`. */
export const kafkaSourceOptions: z.ZodType<KafkaSourceOptions> = z
  .strictObject({
    ...connectionOptions,
    topics: z
      .array(identifier(249))
      .min(1)
      .optional()
      .describe('Topics to read.')
      .meta({ examples: [['clicks']] }),
    topicPattern: z
      .string()
      .optional()
      .describe('Regular expression; topics that match are read, also those created later.')
      .meta({ examples: ['^clicks_.*$'] }),
    format: z
      .enum(['json', 'csv', 'raw', 'avro', 'protobuf', ...CHANGE_FORMATS, ...FEED_FORMATS])
      .default('json')
      .describe(
        `How values are encoded. ${[...CHANGE_FORMATS, ...FEED_FORMATS].join(', ')} are feeds of changes: their rows have the columns of the table and \`__op\` (0 upsert, 1 delete).`,
      ),
    table: identifier()
      .optional()
      .describe('Of a feed of changes: the one table to read, `database.table`. Default: the only one that there is.'),
    tables: z
      .array(z.string().refine(isPattern, 'is no regular expression'))
      .min(1)
      .optional()
      .describe(
        'Of a feed of changes: regular expressions over the whole of `database.table`. Rows of several tables go to a sink with `routes`.',
      )
      .meta({ examples: [['shop\\..*']] }),
    deduplicate: z
      .boolean()
      .default(false)
      .describe(
        'Of Debezium: leaves out changes whose place in the log of the database (file and position, or LSN) lies before one that was read already. Not for a database whose log begins anew under the same names.',
      ),
    registry: registryOption.describe(
      'Of avro, protobuf and debezium-avro: the schema registry (Confluent’s API) whose ids values begin with.',
    ),
    schemaFile: identifier(1024)
      .optional()
      .describe('Of avro and protobuf without a registry: the file (.avsc, .proto) with the schema of all values.')
      .meta({ examples: ['order.proto'] }),
    message: identifier()
      .optional()
      .describe(
        'Of protobuf: the name of the message. Default: the first one of the file; values of a registry name theirs.',
      ),
    schema: z.record(z.string(), z.string()).optional().describe('Columns and their SQL types.'),
    start: z
      .union([z.enum(['earliest', 'latest']), time, offsetsByTopic])
      .default('earliest')
      .describe('Where the very first start begins: earliest, latest, a time, or {topic: {partition: offset}}.'),
    end: z
      .union([z.enum(['never', 'latest']), time, offsetsByTopic])
      .default('never')
      .describe(
        'Where reading ends, exclusive: never, latest (at the start), a time, or {topic: {partition: offset}}.',
      ),
    discoveryInterval: duration({ minMs: 100 })
      .default(60_000)
      .describe('Pause between two looks for new topics and partitions.'),
    rebalance: z
      .enum(['never', 'on-skew'])
      .default('never')
      .describe(
        'Whether partitions move to another lane, at a checkpoint, when one lane reads much more than the others.',
      ),
    properties: properties()
      .default({})
      .describe(`Settings by Kafka's names: ${KNOWN_PROPERTIES.join(', ')}.`),
  })
  .superRefine((options, context) => {
    if ((options.topics === undefined) === (options.topicPattern === undefined)) {
      context.addIssue({ code: 'custom', path: ['topics'], message: 'give either `topics` or `topicPattern`' })
    }
    for (const [name, message] of schemaIssues(options)) context.addIssue({ code: 'custom', path: [name], message })
    if (options.deduplicate && !options.format.startsWith('debezium')) {
      context.addIssue({ code: 'custom', path: ['deduplicate'], message: 'belongs to debezium-json and debezium-avro' })
    }
    for (const name of ['table', 'tables'] as const) {
      if (options[name] === undefined || tellsChanges(options.format)) continue
      context.addIssue({ code: 'custom', path: [name], message: 'needs a format of changes, such as debezium-json' })
    }
    if (options.table !== undefined && options.tables !== undefined) {
      context.addIssue({ code: 'custom', path: ['table'], message: 'give either `table` or `tables`' })
    }
    for (const key of Object.keys(options.properties)) {
      if (KNOWN_PROPERTIES.includes(key)) continue
      context.addIssue({
        code: 'custom',
        path: ['properties', key],
        message: `is not a setting of this source; there are ${KNOWN_PROPERTIES.join(', ')}`,
      })
    }
    checkPattern(options.topicPattern, (message) =>
      context.addIssue({ code: 'custom', path: ['topicPattern'], message }),
    )
  })

export interface KafkaSourceOptions extends KafkaConnectionOptions {
  readonly topics?: readonly string[] | undefined
  readonly topicPattern?: string | undefined
  readonly format: 'json' | 'csv' | 'raw' | 'avro' | 'protobuf' | ChangeFormatName | FeedFormatName
  readonly deduplicate: boolean
  readonly registry?: RegistryOptions | undefined
  readonly schemaFile?: string | undefined
  readonly message?: string | undefined
  readonly table?: string | undefined
  readonly tables?: readonly string[] | undefined
  readonly schema?: Readonly<Record<string, string>> | undefined
  readonly start: 'earliest' | 'latest' | string | number | OffsetsByTopic
  readonly end: 'never' | 'latest' | string | number | OffsetsByTopic
  readonly discoveryInterval: number
  readonly rebalance: 'never' | 'on-skew'
}

/** Offsets by topic and partition; text where a number would lose digits. */
export type OffsetsByTopic = Readonly<Record<string, Readonly<Record<string, number | string>>>>

function schemaIssues(options: KafkaSourceOptions): (readonly [option: string, message: string])[] {
  const { format, registry, schemaFile, message } = options
  const takesFile = format === 'avro' || format === 'protobuf'
  const issues: [string, string][] = []
  if (registry !== undefined && !takesFile && format !== 'debezium-avro')
    issues.push(['registry', 'belongs to avro, protobuf and debezium-avro'])
  if (schemaFile !== undefined && !takesFile) issues.push(['schemaFile', 'belongs to avro and protobuf'])
  if (message !== undefined && format !== 'protobuf') issues.push(['message', 'belongs to protobuf'])
  if (takesFile && (registry === undefined) === (schemaFile === undefined))
    issues.push(['registry', 'give either `registry` or `schemaFile` for this format'])
  if (format === 'debezium-avro' && registry === undefined) issues.push(['registry', 'is needed for this format'])
  return issues
}

function checkPattern(pattern: string | undefined, complain: (message: string) => void): void {
  if (pattern === undefined) return
  try {
    new RegExp(pattern)
  } catch (error) {
    complain((error as Error).message)
  }
}

function isPattern(pattern: string): boolean {
  try {
    return new RegExp(pattern, 'u') instanceof RegExp
  } catch {
    return false
  }
}
