import { z } from 'zod'
import { duration, identifier } from '../../core/options.ts'
import { parseEndpoint } from '../../clients/sls/index.ts'
import { secretSource, type SecretSource } from './secret-source.ts'

const time = z.union([
  z.iso.datetime({ offset: true, local: true, error: 'expected earliest, latest or a time' }),
  z.int().min(0).describe('Milliseconds since 1970.'),
])

/** The options of the source `sls`. */
export const slsSourceOptions: z.ZodType<SlsSourceOptions> = z.strictObject({
  endpoint: identifier()
    .refine(isEndpoint, 'expected a host such as cn-hangzhou.log.aliyuncs.com, with scheme and port if needed')
    .describe('Host of the region, with scheme and port if needed. Names are https, addresses and localhost http.')
    .meta({ examples: ['cn-hangzhou.log.aliyuncs.com'] }),
  project: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,126}[a-z0-9])?$/, 'expected lower-case letters, digits and hyphens')
    .describe('Project; becomes part of the host name.'),
  logstore: identifier(128).describe('Logstore to read.'),
  accessKeyId: secretSource().describe('Access key. References are read again when the service refuses the key.'),
  accessKeySecret: secretSource().describe('Secret of the access key.'),
  securityToken: secretSource().optional().describe('Token of a temporary key.'),
  region: identifier(64).optional().describe('Region to sign for; default: what the name of the endpoint tells.'),
  signature: z
    .enum(['auto', 'v1', 'v4'])
    .default('auto')
    .describe('How requests are signed; auto: v4 where the region is known.'),
  compression: z.enum(['lz4', 'zstd', 'none']).default('lz4').describe('How answers travel.'),
  schema: z
    .record(z.string(), z.string())
    .optional()
    .describe('Keys of the logs and the SQL types that their values are read as.'),
  start: z
    .union([z.enum(['earliest', 'latest']), time])
    .default('earliest')
    .describe('Where the very first start begins: earliest, latest, or a time (when the service received the logs).'),
  end: z
    .union([z.enum(['never', 'latest']), time])
    .default('never')
    .describe('Where reading ends, exclusive: never, latest (at the start), or a time.'),
  discoveryInterval: duration({ minMs: 100 })
    .default(10_000)
    .describe('Pause between two looks for shards that came of a split or merge.'),
  shardOrder: z
    .enum(['parents-first', 'any'])
    .default('parents-first')
    .describe('parents-first reads a shard when those that it came of are read to their end and published.'),
  rebalance: z
    .enum(['never', 'on-skew'])
    .default('never')
    .describe('Whether shards move to another lane, at a checkpoint, when one lane reads much more than the others.'),
  reportTo: identifier(63)
    .optional()
    .describe('Consumer group that is told what is confirmed, for the console. It is never read.'),
})

export interface SlsSourceOptions {
  readonly endpoint: string
  readonly project: string
  readonly logstore: string
  readonly accessKeyId: SecretSource
  readonly accessKeySecret: SecretSource
  readonly securityToken?: SecretSource | undefined
  readonly region?: string | undefined
  readonly signature: 'auto' | 'v1' | 'v4'
  readonly compression: 'lz4' | 'zstd' | 'none'
  readonly schema?: Readonly<Record<string, string>> | undefined
  readonly start: 'earliest' | 'latest' | string | number
  readonly end: 'never' | 'latest' | string | number
  readonly discoveryInterval: number
  readonly shardOrder: 'parents-first' | 'any'
  readonly rebalance: 'never' | 'on-skew'
  readonly reportTo?: string | undefined
}

function isEndpoint(text: string): boolean {
  try {
    parseEndpoint(text, 'project')
    return true
  } catch {
    return false
  }
}
