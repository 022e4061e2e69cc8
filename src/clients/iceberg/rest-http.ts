import type { Clock } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'

export interface RestHttpOptions {
  /** Where the catalog's `v1/` lies. */
  readonly uri: string
  /** Allows a token over plain HTTP to a host that is not loopback. */
  readonly allowPlaintext: boolean
  readonly clock: Pick<Clock, 'sleep'>
}

export interface RestCall {
  readonly what: string
  /** Below the catalog's address; not used when there is a `url`. */
  readonly path: string
  readonly url?: string
  readonly headers: Readonly<Record<string, string>>
  readonly token?: Secret
  /** Sent with POST. */
  readonly form?: URLSearchParams
}

export interface RestReply {
  readonly status: number
  readonly text: string
  readonly etag: string | undefined
}

const TIMEOUT_MS = 30_000
const ATTEMPTS = 5
const PAUSE_MS = 200
const PAUSE_MS_MAX = 5_000
/** Metadata of a table with many snapshots. */
const REPLY_BYTES_MAX = 256 * 1024 * 1024
/** Too many requests, and what passes by itself. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** Calls of a REST catalog: all of them may be repeated, since they only read. Redirects are not followed. */
export class RestHttp {
  readonly #options: RestHttpOptions
  readonly #base: URL

  constructor(options: RestHttpOptions) {
    this.#options = options
    this.#base = new URL(options.uri.endsWith('/') ? options.uri : `${options.uri}/`)
  }

  /** Tries again with growing pauses while the server is busy or away; then the last reply, or `UNAVAILABLE`. */
  async call(request: RestCall): Promise<RestReply> {
    for (let attempt = 1; ; attempt++) {
      const reply = await this.#once(request)
      const isPassing = reply instanceof MillraceError || PASSING.has(reply.status)
      if (!isPassing) return reply
      if (attempt === ATTEMPTS) {
        if (reply instanceof MillraceError) throw reply
        return reply
      }
      const pause = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** attempt)
      await this.#options.clock.sleep(pause / 2 + (Math.random() * pause) / 2)
    }
  }

  /** @throws MillraceError for every status that nobody wanted but 404. */
  accept(reply: RestReply, what: string): RestReply {
    const { status } = reply
    if (status === 200 || status === 304 || status === 404) return reply
    const host = this.#base.host
    if (status === 401 || status === 403) {
      throw new MillraceError(`reading ${what}: ${host} refuses us with ${status}; check \`token\` or \`credential\``, {
        code: 'AUTH',
      })
    }
    if (status >= 300 && status < 400) {
      throw new MillraceError(`reading ${what}: ${host} sends us elsewhere (${status}); set \`uri\` to that address`, {
        code: 'REDIRECT_DENIED',
      })
    }
    throw new MillraceError(`reading ${what}: ${host} answers ${status} ${reasonOf(reply.text)}`, {
      code: PASSING.has(status) ? 'UNAVAILABLE' : 'CONFIG',
      retry: PASSING.has(status) ? 'restart' : 'halt',
      detail: { status },
    })
  }

  async #once(request: RestCall): Promise<RestReply | MillraceError> {
    const url = request.url === undefined ? new URL(request.path, this.#base) : new URL(request.url)
    const isSecret = request.token !== undefined || request.form !== undefined
    if (isSecret && url.protocol !== 'https:' && !isLoopback(url.hostname) && !this.#options.allowPlaintext) {
      throw new MillraceError(
        `reading ${request.what}: a secret would go to ${url.host} unencrypted; use https, or set \`allowPlaintext: true\``,
        { code: 'CONFIG' },
      )
    }
    try {
      const response = await fetch(url, {
        method: request.form === undefined ? 'GET' : 'POST',
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          accept: 'application/json',
          ...request.headers,
          ...(request.token !== undefined && { authorization: `Bearer ${request.token.reveal()}` }),
        },
        ...(request.form !== undefined && { body: request.form }),
      })
      return {
        status: response.status,
        text: await textOf(response),
        etag: response.headers.get('etag') ?? undefined,
      }
    } catch (thrown) {
      if (thrown instanceof MillraceError) throw thrown
      const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
      const why = cause instanceof Error && 'code' in cause ? String(cause.code) : (cause as Error).name
      return new MillraceError(`reading ${request.what}: ${url.host} cannot be reached (${why})`, {
        code: 'UNAVAILABLE',
        retry: 'restart',
      })
    }
  }
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > REPLY_BYTES_MAX) {
      throw new MillraceError(`reading an answer of ${response.url}: it has more than ${REPLY_BYTES_MAX} bytes`, {
        code: 'DECODE',
      })
    }
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** The type of the server's error, such as `NoSuchNamespaceException`; its message may repeat what we sent. */
function reasonOf(text: string): string {
  return /"type"\s*:\s*"([A-Za-z.]{1,80})"/.exec(text)?.[1] ?? ''
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}
