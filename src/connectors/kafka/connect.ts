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

/**
 * What one fetch brings, unless the properties say. With SQL a query costs 1.5 to 2.5 ms of its own, and batches of
 * records at the end of an answer that are cut off are fetched again; without it, memory counts.
 */
export function batchBytes(isForSql: boolean): number {
  return isForSql ? 7 << 20 : 4 << 20
}

export function fetchOptionsOf({ properties }: KafkaSourceOptions, usualBytes?: number): FetchOptions {
  const number = (name: string): number | undefined =>
    properties[name] === undefined ? undefined : Number(properties[name])
  const bytesMax = number('fetch.max.bytes') ?? usualBytes
  const partitionBytesMax = number('max.partition.fetch.bytes') ?? usualBytes
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
