import { MillraceError } from '../../core/errors.ts'
import type { S3Settings } from '../../core/options.ts'
import { CredentialCache } from './credentials/credential-cache.ts'
import { findCredentials } from './credentials/find-credentials.ts'
import { profileRegion } from './credentials/profile.ts'
import { objectUrl, resolveEndpoint, type Endpoint } from './endpoint.ts'
import { exchange, WireFailure, type Exchange, type Limits, type Reply } from './exchange.ts'
import { isExpired, refusalError, refusalOf, type Refusal } from './s3-refusal.ts'
import { sign } from './sign.ts'
import { systemWorld, type World } from './world.ts'

export interface S3Request {
  /** What is being done, for messages: `reading s3://lake/a`. */
  readonly doing: string
  readonly method: Exchange['method']
  readonly bucket: string
  /** Empty for requests about the bucket. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Statuses besides 2xx that are answers and not errors, such as 404. */
  readonly answers?: readonly number[]
  /** The same by S3's words. */
  readonly answerCodes?: readonly string[]
  /** Bytes of the reply at most; default: what a listing or an error needs. */
  readonly replyBytesMax?: number
  /** Ends the attempt and every later one at once, with an error. */
  readonly signal?: AbortSignal | undefined
}

/** How long one request may take, and how long it is repeated. */
export interface Patience extends Limits {
  /** Time after which a request is not repeated any more. */
  readonly retryMs: number
}

/** What came of a single attempt. */
export type Attempt =
  | { readonly kind: 'answer'; readonly reply: Reply }
  /** A refusal that may pass, or no whole reply; `mayHaveArrived`: it may have been carried out all the same. */
  | {
      readonly kind: 'again'
      readonly error: MillraceError
      readonly mayHaveArrived: boolean
      readonly pauseMs: number
    }

const PATIENCE: Patience = { baseMs: 20_000, bytesPerSecond: 64 * 1024, retryMs: 20_000 }
const REPLY_BYTES_MAX = 16 * 1024 * 1024
const PAUSE_FIRST_MS = 50
const PAUSE_MAX_MS = 5000
/** A refusal for lacking rights is repeated this often: rights take a moment to reach every server. */
const DENIED_TRIES = 3
/** Servers refuse signatures that are more than 15 minutes off. */
const SKEW_MS = 5 * 60_000

/**
 * Sends signed requests to one endpoint. It repeats what is safe to repeat: every request that may be carried out twice
 * with the same result. Conditional writes are single attempts (`attempt`), because a repeated one meets its own effect.
 */
export class S3Client {
  readonly endpoint: Endpoint
  readonly #credentials: CredentialCache
  readonly #patience: Patience
  readonly #world: World
  /** What the server's clock is ahead of ours. */
  #skewMs = 0

  constructor(settings: S3Settings, options: { readonly patience?: Partial<Patience>; readonly world?: World } = {}) {
    this.#world = options.world ?? systemWorld
    this.#patience = { ...PATIENCE, ...options.patience }
    this.endpoint = resolveEndpoint(settings, this.#world, profileRegion(this.#world))
    this.#credentials = new CredentialCache(findCredentials(settings.credentials, this.#world), this.#world)
  }

  /**
   * Sends a request that may be carried out twice, again and again while the server is away or busy.
   *
   * @throws MillraceError UNAVAILABLE (`restart`) when that took too long; AUTH, CONFIG, STORE_IO for refusals.
   */
  async send(request: S3Request): Promise<Reply> {
    const retry = this.retries(request.signal)
    for (;;) {
      const attempt = await this.attempt(request)
      if (attempt.kind === 'answer') return attempt.reply
      await retry.pause(attempt)
    }
  }

  /** Pauses between the attempts of one call, with full jitter; throws the error when the time is over. */
  retries(signal?: AbortSignal): {
    pause(attempt: { readonly error: MillraceError; readonly pauseMs: number }): Promise<void>
  } {
    const end = this.#world.now() + this.#patience.retryMs
    let tries = 0
    return {
      pause: async ({ error, pauseMs }) => {
        tries++
        const longest = Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** tries)
        const ms = Math.max(pauseMs, longest * this.#world.random())
        const isDenied = error.code === 'AUTH' && tries >= DENIED_TRIES
        const isOver = isDenied || signal?.aborted === true || this.#world.now() + ms > end
        if (isOver) throw afterTries(error, tries)
        await this.#world.sleep(ms, signal).catch(() => {
          throw afterTries(error, tries)
        })
      },
    }
  }

  /**
   * Sends a request once. Credentials that have expired and a clock that is wrong are mended and are no attempts.
   *
   * @throws MillraceError for a refusal that stays: the request was not carried out.
   */
  async attempt(request: S3Request): Promise<Attempt> {
    for (let mended = 0; ; mended++) {
      const credentials = await this.#credentials.get()
      const outcome = await this.#exchange(request, credentials)
      if ('error' in outcome) return outcome
      const { reply } = outcome
      if (reply.status < 300 && !hidesError(request, reply)) return { kind: 'answer', reply }
      const refusal = refusalOf(reply)
      if (isWanted(request, refusal)) return { kind: 'answer', reply }
      if (mended < 2 && isExpired(refusal)) this.#credentials.expire(credentials)
      else if (!(mended < 2 && this.#correctClock(reply))) return this.#refused(request, reply, refusal)
    }
  }

  /** What can only be an object's address in messages. */
  addressOf(bucket: string, key: string): string {
    return `s3://${bucket}/${key}`
  }

  async #exchange(
    { doing, method, bucket, key, query, headers, body, replyBytesMax, signal }: S3Request,
    credentials: Parameters<typeof sign>[1],
  ): Promise<{ readonly reply: Reply } | (Attempt & { kind: 'again' })> {
    const url = objectUrl(this.endpoint, bucket, key, query ?? {})
    const scope = { region: this.endpoint.region, now: this.#world.now() + this.#skewMs }
    const signed = await sign({ method, url, headers: headers ?? {}, body }, credentials, scope)
    try {
      const request = { method, url, headers: signed, body, replyBytesMax: replyBytesMax ?? REPLY_BYTES_MAX, signal }
      return { reply: await exchange(request, this.#patience) }
    } catch (thrown) {
      if (!(thrown instanceof WireFailure)) throw thrown
      const error = new MillraceError(`${doing}: ${url.host} gave no whole answer (${thrown.message})`, {
        code: 'UNAVAILABLE',
        retry: 'restart',
        cause: thrown,
      })
      return { kind: 'again', error, mayHaveArrived: thrown.mayHaveArrived, pauseMs: 0 }
    }
  }

  #refused(request: S3Request, reply: Reply, refusal: Refusal): Attempt {
    const error = refusalError(request.doing, refusal, reply, this.#credentials.sourceName)
    if (error.code !== 'AUTH' && error.code !== 'UNAVAILABLE') throw error
    // A 5xx may come from a gateway whose server went on; SlowDown and refusals for lacking rights come before any work.
    const mayHaveArrived = refusal.status >= 500 && !['SlowDown', 'ServiceUnavailable'].includes(refusal.code)
    const seconds = Number(reply.headers['retry-after'] ?? 0)
    const pauseMs = Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0) * 1000, PAUSE_MAX_MS) : 0
    return { kind: 'again', error, mayHaveArrived, pauseMs }
  }

  /** Takes over the server's idea of the time when ours is far off; true when that changed anything. */
  #correctClock(reply: Reply): boolean {
    const server = Date.parse(reply.headers.date ?? '')
    if ((reply.status !== 403 && reply.status !== 400) || Number.isNaN(server)) return false
    const skew = server - this.#world.now()
    if (Math.abs(skew - this.#skewMs) < SKEW_MS) return false
    this.#skewMs = skew
    return true
  }
}

/** A missing bucket or user is no missing object: whoever took it for one would begin a table anew. */
function isWanted({ answers = [], answerCodes = [] }: S3Request, { status, code }: Refusal): boolean {
  return (answers.includes(status) && (status !== 404 || ABSENT.has(code))) || answerCodes.includes(code)
}

/** Replies to HEAD have no word. */
const ABSENT: ReadonlySet<string> = new Set(['', 'NoSuchKey', 'NoSuchVersion', 'NoSuchUpload', 'NotFound'])

/** Long operations send their head first, to keep the connection: the error then is in the body of a 200. */
function hidesError({ method }: S3Request, { status, body }: Reply): boolean {
  return status === 200 && method === 'POST' && refusalOf({ status, headers: {}, body }).code !== ''
}

function afterTries(error: MillraceError, tries: number): MillraceError {
  return new MillraceError(`${error.message}; tried ${tries} times`, {
    code: error.code,
    retry: error.retry,
    detail: { ...error.detail, tries },
    cause: error,
  })
}
