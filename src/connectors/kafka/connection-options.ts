import { z, type ZodType } from 'zod'
import type { SaslMechanism } from '../../clients/kafka/index.ts'
import type { Secret } from '../../core/secret.ts'
import { hostPort, identifier, oneOrMany, secret } from '../../core/options.ts'

/** How the brokers are reached: the same for the source and the sink. */
export interface KafkaConnectionOptions {
  readonly brokers: readonly string[]
  readonly sasl?:
    | { readonly mechanism: SaslMechanism; readonly username?: string | undefined; readonly password: Secret }
    | undefined
  readonly tls?:
    | {
        readonly ca?: string | undefined
        readonly cert?: string | undefined
        readonly key?: Secret | undefined
        readonly insecureSkipVerify: boolean
      }
    | undefined
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
      mechanism: z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']),
      username: identifier().optional().describe('Not with `OAUTHBEARER`: the token names the user.'),
      password: secret().describe('The password; the token with `OAUTHBEARER`.'),
    })
    .refine(({ mechanism, username }) => (mechanism === 'OAUTHBEARER') === (username === undefined), {
      path: ['username'],
      message: 'PLAIN and SCRAM need a username, and OAUTHBEARER takes none',
    })
    .optional()
    .describe('Login at the brokers.'),
  tls: z
    .strictObject({
      ca: z.string().optional().describe('PEM certificates to trust instead of the system’s.'),
      cert: z.string().optional().describe('PEM certificate of the client, where brokers ask for one (mutual TLS).'),
      key: secret().optional().describe('PEM private key of that certificate.'),
      insecureSkipVerify: z.boolean().default(false).describe('Turns certificate checks off. For tests only.'),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
      path: ['key'],
      message: 'a certificate and its key belong together',
    })
    .optional()
    .describe('Encrypts the connections. `tls: {}` uses the system’s certificates.'),
  allowPlaintext: z
    .boolean()
    .default(false)
    .describe('Allows a SASL PLAIN password or a token over an unencrypted connection to a host that is not loopback.'),
}
