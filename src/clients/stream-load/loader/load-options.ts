import { z } from 'zod'
import type { BodyFormat } from '../../../core/batch.ts'
import { identifier, integer, oneOrMany, properties, secret, url } from '../../../core/options.ts'
import { routesOption, type Route } from '../../../core/routes.ts'
import { schemaChangeOption, type SchemaPolicies } from '../../../core/schema-policy.ts'
import type { Secret } from '../../../core/secret.ts'
import type { StreamLoadEndpoint } from '../endpoint.ts'

/** What a stream-load sink can be told. `Packing` are the compressions that the server takes. */
export interface LoadSinkOptions<Packing extends string = string> extends TablesOptions {
  readonly url: readonly string[]
  readonly allowPlaintext: boolean
  readonly database: string
  /** The one target, or `routes` to several. */
  readonly table?: string | undefined
  readonly username: string
  readonly password: Secret
  readonly format?: 'json' | 'csv' | undefined
  readonly compression: Packing
  readonly backends?: readonly string[] | undefined
  readonly labelPrefix: string
  readonly loadBytesMax: number
  readonly writers: 'auto' | number
  readonly key?: readonly string[] | undefined
  readonly durableStaging: boolean
  readonly serverPreparedTimeout: number
  readonly serverLabelKeep: number
  readonly properties: Readonly<Record<string, string>>
}

/** What a sink of several tables is told besides. */
export interface TablesOptions {
  readonly routes?: readonly Route[] | undefined
  readonly queryUrl: readonly string[]
  readonly createTables: boolean
  readonly tableBuckets?: number | undefined
  readonly tableProperties: Readonly<Record<string, string>>
  readonly schemaChange: SchemaPolicies
}

/** Options whose defaults, bounds or words are a server's own. */
type OwnKeys = 'username' | 'compression' | 'loadBytesMax' | 'key' | 'serverPreparedTimeout' | 'serverLabelKeep'
export type OwnOptions<Packing extends string> = { readonly [K in OwnKeys]: z.ZodType<LoadSinkOptions<Packing>[K]> }

export interface LoadOptionWords {
  /** Headers that belong to the protocol or to other options, in lower case. */
  readonly reserved: readonly string[]
  /** Headers that users may want, for the help. */
  readonly examples: string
}

/** The option table of a stream-load sink: what the servers have in common, with a server's own options in their places. */
export function loadSinkOptions<Packing extends string>(
  own: OwnOptions<Packing>,
  words: LoadOptionWords,
): z.ZodType<LoadSinkOptions<Packing>> {
  return z.strictObject({
    url: oneOrMany(url(['http', 'https']))
      .describe('HTTP addresses of the FEs, tried in turn.')
      .meta({ examples: [['http://fe1:8030']] }),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe('Allows the password over plain HTTP to a host that is not loopback.'),
    database: identifier().describe('Database of the table, or of routes that name none.'),
    table: identifier().optional().describe('Table to write to; it has to exist.'),
    routes: routesOption().optional(),
    queryUrl: oneOrMany(url(['mysql']))
      .default([])
      .describe(
        'Addresses of the FEs’ MySQL protocol, for routes and for what reads the table back (`dlq`, `reconcile`). Default: port 9030 of the hosts of `url`.',
      )
      .meta({ examples: [['mysql://fe1:9030']] }),
    createTables: z
      .boolean()
      .default(true)
      .describe('With routes: makes target databases and tables that are missing.'),
    tableBuckets: integer({ min: 1, max: 10_000 })
      .optional()
      .describe('With routes: buckets of new tables. Default: the server chooses.'),
    tableProperties: properties()
      .default({})
      .describe('With routes: PROPERTIES of new tables, such as replication_num.'),
    schemaChange: schemaChangeOption(),
    username: own.username,
    password: secret()
      .default(() => secret().parse(''))
      .describe('Its password: `${NAME}`, {file: path} or {exec: command}.'),
    format: z
      .enum(['json', 'csv'])
      .optional()
      .describe('Encoding of the rows. Default: json when the source’s bytes are passed through, csv otherwise.'),
    compression: own.compression,
    backends: z
      .array(z.string())
      .optional()
      .describe('`host:port` of every BE that the FE may redirect to. Default: the FE is asked.'),
    labelPrefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,40}$/, 'expected 1 to 40 characters of A-Z a-z 0-9 _ -')
      .default('millrace')
      .describe('First part of all labels.'),
    loadBytesMax: own.loadBytesMax,
    writers: z
      .union([z.literal('auto'), integer({ min: 1, max: 64 })])
      .default('auto')
      .describe(
        'Transactions that are open at the same time. `auto` is one, fed by all lanes; more only while the server is the brake.',
      ),
    key: own.key,
    durableStaging: z
      .boolean()
      .default(false)
      .describe(
        'Keeps the rows of a checkpoint in the checkpoint storage until it is confirmed: a prepared transaction that expires while the job is down is loaded again. Costs the bytes once more.',
      ),
    serverPreparedTimeout: own.serverPreparedTimeout,
    serverLabelKeep: own.serverLabelKeep,
    properties: properties()
      .default({})
      .describe(`Further load headers, for example ${words.examples}.`)
      .superRefine((headers, context) => {
        for (const name of Object.keys(headers)) {
          if (!words.reserved.includes(name.toLowerCase())) continue
          context.addIssue({ code: 'custom', path: [name], message: 'is set by Millrace and cannot be changed' })
        }
      }),
  })
}

/** Where the sink's cluster is, for a client. */
export function endpointOf({ url, username, password, allowPlaintext, backends }: LoadSinkOptions): StreamLoadEndpoint {
  return { urls: url, username, password, allowPlaintext, ...(backends === undefined ? {} : { backends }) }
}

/** What the sink's writers take, best first. CSV costs less to encode and to parse; JSON bytes are passed through. */
export function bodiesOf(options: Pick<LoadSinkOptions, 'routes' | 'format'>, jsonSeparator: number): BodyFormat[] {
  const json: BodyFormat = { kind: 'bytes', format: 'json', separator: jsonSeparator }
  const csv: BodyFormat = { kind: 'bytes', format: 'csv', separator: 0x0a }
  if (options.routes !== undefined || options.format === 'json') return [json]
  return options.format === 'csv' ? [csv] : [csv, json]
}

/** Transactions that are open at the same time: `auto` is one, fed by all lanes. */
export function writersOf(options: Pick<LoadSinkOptions, 'writers'>, lanes: number): number {
  return options.writers === 'auto' ? 1 : Math.min(options.writers, lanes)
}
