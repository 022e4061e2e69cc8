import { z, type ZodType } from 'zod'
import { Secret } from './secret.ts'

/*
 * Building blocks for the option tables of connectors. Each one carries its description, pattern and examples, so that
 * checking, `--help`, documentation and the JSON Schema say the same. `meta` words of ours: `secret` (masked in every
 * output, may be given by reference), `unit` (`duration` or `size`). Messages never quote the value.
 *
 * Defaults of options that are converted are given with `.prefault('10s')`, in the words of the user: `.default` would
 * take the converted value, which no help text can show.
 */

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

/** `500ms`, `5s`, `1m`, `12h`, `7d` → milliseconds. Bounds are inclusive and in milliseconds. */
export function duration(bounds: { readonly minMs?: number; readonly maxMs?: number } = {}): ZodType<number, string> {
  const { minMs = 0, maxMs = Number.MAX_SAFE_INTEGER } = bounds
  return z
    .string('expected a duration such as 5s, 500ms or 12h')
    .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, 'expected a duration such as 5s, 500ms or 12h')
    .meta({ examples: ['5s'], unit: 'duration' })
    .transform((text) => Math.round(parseUnit(text, DURATION_MS)))
    .refine((ms) => ms >= minMs, `must be at least ${formatDuration(minMs)}`)
    .refine((ms) => ms <= maxMs, `must be at most ${formatDuration(maxMs)}`)
}

/** `100B`, `64KiB`, `32MiB`, `1GiB` → bytes. Bounds are inclusive and in bytes. */
export function size(bounds: { readonly minBytes?: number; readonly maxBytes?: number } = {}): ZodType<number, string> {
  const { minBytes = 0, maxBytes = Number.MAX_SAFE_INTEGER } = bounds
  return z
    .string('expected a size such as 64MiB or 1GiB')
    .regex(/^\d+(\.\d+)?(B|KiB|MiB|GiB|TiB)$/, 'expected a size such as 64MiB or 1GiB')
    .meta({ examples: ['64MiB'], unit: 'size' })
    .transform((text) => Math.round(parseUnit(text, SIZE_BYTES)))
    .refine((bytes) => bytes >= minBytes, `must be at least ${minBytes} bytes`)
    .refine((bytes) => bytes <= maxBytes, `must be at most ${maxBytes} bytes`)
}

function parseUnit(text: string, units: Readonly<Record<string, number>>): number {
  const [, amount = '0', unit = ''] = /^([\d.]+)([A-Za-z]+)$/.exec(text) ?? []
  return Number(amount) * (units[unit] ?? Number.NaN)
}

/** Milliseconds in the largest unit that divides them: `90000` → `90s`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const length = DURATION_MS[unit] ?? 1
    if (ms >= length && ms % length === 0) return `${ms / length}${unit}`
  }
  return `${ms}ms`
}

/** How a secret may be given besides as text (which normally comes from `${NAME}`). */
export type SecretReference = { readonly file: string } | { readonly exec: string | readonly string[] }
export type SecretInput = string | SecretReference

const secretInput: ZodType<SecretInput, SecretInput> = z.union(
  [
    z.string(),
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ exec: z.union([z.string().min(1), z.array(z.string()).min(1).readonly()]) }),
  ],
  'expected text (for example ${NAME}), {file: path} or {exec: command}',
)

/**
 * A password, token or key: text (normally `${NAME}`), `{file: path}` or `{exec: command}`. References are resolved once
 * in the main thread before anything starts; where that has not happened (`check`, `explain`) the secret is empty.
 */
export function secret(): ZodType<Secret, SecretInput> {
  return secretInput
    .transform((input) => new Secret(typeof input === 'string' ? input : ''))
    .meta({ secret: true, examples: ['${PASSWORD}'] })
}

/**
 * A secret whose references are only tried before anything starts: the connector follows them itself, again whenever it
 * has to, so that keys that end are replaced while a job runs. `make` turns what the user wrote into what it keeps.
 */
export function rereadSecret<T>(make: (input: SecretInput) => T): ZodType<T, SecretInput> {
  return secretInput.transform(make).meta({ secret: true, reread: true, examples: ['${PASSWORD}'] })
}

/** An absolute URL of one of these schemes (`http`, `https`, …) without user info. */
export function url(schemes: readonly string[] = ['http', 'https']): ZodType<string, string> {
  return z
    .string()
    .superRefine((text, context) => {
      const problem = urlProblem(text, schemes)
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
    })
    .meta({ format: 'uri' })
}

function urlProblem(text: string, schemes: readonly string[]): string | undefined {
  if (hasControlCharacter(text)) return 'must not contain control characters'
  const parsed = URL.parse(text)
  if (parsed === null) return `expected a URL such as ${schemes[0] ?? 'http'}://host:port`
  if (parsed.username !== '' || parsed.password !== '') {
    return 'must not contain user name or password; use the options `username` and `password`'
  }
  if (schemes.includes(parsed.protocol.slice(0, -1))) return undefined
  return `expected a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`
}

/** `host:port`, for brokers. */
export function hostPort(): ZodType<string, string> {
  return z
    .string()
    .regex(/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'expected host:port')
    .meta({ examples: ['localhost:9092'] })
}

/** A name in an outside system (database, table, topic, header value): no control characters, not empty. */
export function identifier(lengthMax = 255): ZodType<string, string> {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(lengthMax, `must have at most ${lengthMax} characters`)
    .refine((text) => !hasControlCharacter(text), 'must not contain control characters')
}

/** A path, `s3://` address or glob as the user wrote it. */
export function path(): ZodType<string, string> {
  return z
    .string()
    .min(1, 'must not be empty')
    .refine((text) => !hasControlCharacter(text), 'must not contain control characters')
}

/** A whole number inside inclusive bounds. */
export function integer(bounds: { readonly min?: number; readonly max?: number } = {}): ZodType<number, number> {
  return z
    .number()
    .int()
    .min(bounds.min ?? 0)
    .max(bounds.max ?? Number.MAX_SAFE_INTEGER)
}

/** One value or a list of values → a list with at least one. */
export function oneOrMany<O, I>(item: ZodType<O, I>): ZodType<readonly O[], I | readonly I[]> {
  return z.union([item.transform((value) => [value]), z.array(item).min(1, 'must name at least one')])
}

/** Settings handed to a client or server as they are; numbers and booleans become text. */
export function properties(): ZodType<Readonly<Record<string, string>>, Readonly<Record<string, unknown>>> {
  return z.record(
    z.string(),
    z.union([z.string(), z.number(), z.boolean()]).transform((value) => String(value)),
  )
}

/** Where object storage lives, at the top level of a pipeline or in a component. Keys come from the usual places of AWS. */
export interface S3Options {
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  readonly pathStyle?: boolean | undefined
  readonly flavor?: 's3' | 'oss' | undefined
}

/** What a component hands to `openStore`: its `s3` option, and keys where a catalog gave it some. */
export interface S3Settings extends S3Options {
  readonly credentials?: S3Credentials | undefined
}

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  /** Of temporary credentials. */
  readonly sessionToken?: Secret | undefined
}

export function s3(): ZodType<S3Options, S3Options> {
  return z
    .strictObject({
      endpoint: url().optional().describe('Address of an S3-compatible server; default: AWS.'),
      region: identifier().optional().describe('Region to sign for; default: AWS_REGION, else us-east-1.'),
      pathStyle: z
        .boolean()
        .optional()
        .describe(
          'Put the bucket into the path instead of the host name; default: for endpoints that are not AWS or Alibaba OSS.',
        ),
      flavor: z
        .enum(['s3', 'oss'])
        .optional()
        .describe('oss: conditional writes as Alibaba OSS wants them. Default: by the name of the endpoint.'),
    })
    .describe('Object storage; credentials come from the usual AWS_* environment variables.')
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text)
}
