import { z, type ZodType } from 'zod'
import type { SaslOptions } from '../../clients/kafka/index.ts'
import { hostPort, identifier, oneOrMany, secret } from '../../core/options.ts'

/** How the brokers are reached: the same for the source and the sink. */
export interface KafkaConnectionOptions {
  readonly brokers: readonly string[]
  readonly sasl?: SaslOptions | undefined
  readonly tls?: { readonly ca?: string | undefined; readonly insecureSkipVerify: boolean } | undefined
  readonly allowPlaintext: boolean
  /** Settings by Kafka's names. */
  readonly properties: Readonly<Record<string, string>>
}

type Shared = Omit<KafkaConnectionOptions, 'properties'>

export const connectionOptions: { readonly [K in keyof Required<Shared>]: ZodType<Shared[K]> } = {
  brokers: oneOrMany(hostPort())
    .describe('`host:port` of one broker or more; the others are learnt from them.')
    .meta({ examples: [['localhost:9092']] }),
  sasl: z
    .strictObject({
      mechanism: z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']),
      username: identifier(),
      password: secret(),
    })
    .optional()
    .describe('Login at the brokers.'),
  tls: z
    .strictObject({
      ca: z.string().optional().describe('PEM certificates to trust instead of the system’s.'),
      insecureSkipVerify: z.boolean().default(false).describe('Turns certificate checks off. For tests only.'),
    })
    .optional()
    .describe('Encrypts the connections. `tls: {}` uses the system’s certificates.'),
  allowPlaintext: z
    .boolean()
    .default(false)
    .describe('Allows a SASL PLAIN password over an unencrypted connection to a host that is not loopback.'),
}
