import { KafkaClient, type FetchOptions, type TlsOptions } from '../../clients/kafka/index.ts'
import type { KafkaConnectionOptions } from './connection-options.ts'
import type { KafkaSourceOptions } from './options.ts'

/** For a question that somebody waits for, or that the job repeats: a broker that is away is named after a second. */
export const IMPATIENT = { connectTimeoutMs: 2000, retryTimeoutMs: 1000 } as const

export function openClient(options: KafkaConnectionOptions, patience: Partial<typeof IMPATIENT> = {}): KafkaClient {
  const { brokers, sasl, tls, allowPlaintext, properties } = options
  return new KafkaClient({
    brokers,
    allowPlaintext,
    clientId: properties['client.id'] ?? 'millrace',
    ...patience,
    ...(sasl === undefined ? {} : { sasl: { ...sasl, username: sasl.username ?? '' } }),
    ...(tls === undefined ? {} : { tls: tlsOf(tls) }),
  })
}

function tlsOf({ ca, cert, key, insecureSkipVerify }: NonNullable<KafkaConnectionOptions['tls']>): TlsOptions {
  return {
    insecureSkipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  }
}

export function fetchOptionsOf({ properties }: KafkaSourceOptions): FetchOptions {
  const number = (name: string): number | undefined =>
    properties[name] === undefined ? undefined : Number(properties[name])
  const bytesMax = number('fetch.max.bytes')
  const partitionBytesMax = number('max.partition.fetch.bytes')
  const waitMs = number('fetch.max.wait.ms')
  return {
    isolation: isolationOf(properties),
    ...(bytesMax === undefined ? {} : { bytesMax }),
    ...(partitionBytesMax === undefined ? {} : { partitionBytesMax }),
    ...(waitMs === undefined ? {} : { waitMs }),
  }
}

export function isolationOf(properties: Readonly<Record<string, string>>): 'committed' | 'uncommitted' {
  return properties['isolation.level'] === 'read_uncommitted' ? 'uncommitted' : 'committed'
}
