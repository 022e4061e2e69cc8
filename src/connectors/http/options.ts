import { z, type ZodType } from 'zod'
import { duration, properties, secret, size, url } from '../../core/options.ts'
import type { Secret } from '../../core/secret.ts'

/** The options of the source `http`. */
export const httpSourceOptions: ZodType<HttpSourceOptions> = z.strictObject({
  url: url()
    .describe('Address that answers GET with JSON. Of a lookup on demand: with its keys in it, such as {id}.')
    .meta({ examples: ['https://api.example.com/users'] }),
  rows: z
    .string()
    .regex(/^[^.]+(\.[^.]+)*$/, 'expected names with points between them')
    .optional()
    .describe('Where the list of rows is in the answer. Default: the answer is the list, or one object after another.')
    .meta({ examples: ['data.items'] }),
  token: secret().optional().describe('Bearer token.'),
  headers: properties().optional().describe('Headers that are no secrets.'),
  allowPlaintext: z
    .boolean()
    .default(false)
    .describe('Allows the token over plain HTTP to a host that is not loopback.'),
  timeout: duration({ minMs: 100 }).prefault('30s').describe('How long an answer may take.'),
  bytesMax: size({ minBytes: 1, maxBytes: 1024 ** 3 })
    .prefault('64MiB')
    .describe('An answer that is larger is refused.'),
})

export interface HttpSourceOptions {
  readonly url: string
  readonly rows?: string | undefined
  readonly token?: Secret | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly allowPlaintext: boolean
  readonly timeout: number
  readonly bytesMax: number
}
