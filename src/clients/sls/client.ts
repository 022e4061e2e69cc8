import { setTimeout as sleep } from 'node:timers/promises'
import { MillraceError } from '../../core/errors.ts'
import { BodyPool } from './body-pool.ts'
import type { CredentialsProvider, SlsCredentials } from './credentials.ts'
import { parseEndpoint, type SlsEndpoint } from './endpoint.ts'
import { SlsHttp, type HttpReply } from './http.ts'
import { pulledLogs, type PulledLogs } from './pulled-logs.ts'
import { parseShards, type SlsShard } from './shards.ts'
import { percentEncoded, signedHeaders, type SignableRequest, type SigningMethod } from './signature.ts'
import { refusalError, remedyOf, type Refusal } from './sls-errors.ts'

export interface SlsClientOptions {
  /** A host such as `cn-hangzhou.log.aliyuncs.com`, with scheme and port if needed. */
  readonly endpoint: string
  readonly project: string
  readonly logstore: string
  readonly credentials: CredentialsProvider
  /** Region for signature V4; default: what the endpoint's name tells. */
  readonly region?: string
  /** Default: V4 where the region is known. */
  readonly signature?: 'v1' | 'v4'
  /** Repeating gives up after so many milliseconds. */
  readonly patienceMs: number
  /** Is told what is repeated: once when it has lasted for a minute, and when the clock was set. */
  readonly report: (message: string) => void
  readonly random: () => number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** How a pull is asked for. */
export interface PullRequest {
  readonly shard: number
  readonly cursor: string
  /** LogGroups at the most, up to 1000. */
  readonly count: number
  readonly codec: 'lz4' | 'zstd' | 'none'
}

type Query = readonly (readonly [name: string, value: string])[]
interface Call {
  readonly doing: string
  readonly method?: 'GET' | 'POST'
  /** Behind `/logstores/{logstore}`. */
  readonly path: string
  readonly query?: Query
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: object
  readonly signal?: AbortSignal | undefined
  /** Its answer may be large, and is given back when it was used. */
  readonly isRecycled?: boolean
}

const LIMITS = { silenceMs: 30_000, totalMs: 120_000, replyBytesMax: 128 * 1024 * 1024 } as const
const EMPTY = Buffer.alloc(0)
const FIRST_PAUSE_MS = 200
const FIRST_QUOTA_PAUSE_MS = 1000
const PAUSE_MAX_MS = 5000
const REPORT_MS = 60_000
/** The parts of a key may be replaced one after the other, and be read in between. */
const MENDED_MAX = 3

/**
 * The reading side of Alibaba Cloud Log Service (SLS), without consumer groups. Calls that failed on the way, or that
 * the service was too busy for, are repeated with growing pauses: all of them can be, since nothing here writes logs.
 */
export class SlsClient implements AsyncDisposable {
  readonly #options: SlsClientOptions
  readonly #endpoint: SlsEndpoint
  readonly #http: SlsHttp
  readonly #signing: SigningMethod
  readonly #bodies = new BodyPool()
  readonly #closing = new AbortController()
  /** How far the service's clock is ahead of ours; only asked for when it refuses our time. */
  #clockAheadMs = 0

  constructor(options: SlsClientOptions) {
    this.#options = options
    this.#endpoint = parseEndpoint(options.endpoint, options.project)
    this.#http = new SlsHttp(this.#endpoint, LIMITS)
    this.#signing = signingMethod(options, this.#endpoint)
  }

  async listShards(signal?: AbortSignal): Promise<readonly SlsShard[]> {
    return parseShards(await this.#json({ doing: 'listing shards', path: '/shards', signal }))
  }

  /** `from` is `begin`, `end`, or seconds since 1970: then the first group that was received at that time or later. */
  async getCursor(shard: number, from: 'begin' | 'end' | number, signal?: AbortSignal): Promise<string> {
    const doing = `asking for the ${typeof from === 'number' ? 'cursor of a time' : `${from} cursor`} of shard ${shard}`
    const query: Query = [
      ['type', 'cursor'],
      ['from', String(from)],
    ]
    const { cursor } = await this.#json({ doing, path: `/shards/${shard}`, query, signal })
    if (typeof cursor === 'string' && cursor !== '') return cursor
    throw new MillraceError(`${this.#where(doing)}: the answer has no cursor`, { code: 'DECODE', retry: 'halt' })
  }

  /** Receive time of a cursor, in seconds since 1970. */
  async getCursorTime(shard: number, cursor: string, signal?: AbortSignal): Promise<number> {
    const doing = `asking for the time of a cursor of shard ${shard}`
    const query: Query = [
      ['type', 'cursor_time'],
      ['cursor', cursor],
    ]
    return Number((await this.#json({ doing, path: `/shards/${shard}`, query, signal }))['cursor_time'])
  }

  /** How many days the logstore keeps its logs; `undefined` when the service does not say. */
  async retentionDays(signal?: AbortSignal): Promise<number | undefined> {
    const { ttl } = await this.#json({ doing: 'asking for the settings', path: '', signal })
    return typeof ttl === 'number' && ttl > 0 ? ttl : undefined
  }

  /**
   * One pull. The answer is complete, but not unpacked: see `unpack` and `LogReader`.
   *
   * @throws DamagedAnswer when its headers cannot be true: the same cursor has to be pulled again.
   */
  async pullLogs({ shard, cursor, count, codec }: PullRequest, signal?: AbortSignal): Promise<PulledLogs> {
    const doing = `pulling from shard ${shard}`
    const query: Query = [
      ['type', 'logs'],
      ['cursor', cursor],
      ['count', String(count)],
    ]
    const encoding = codec === 'none' ? '' : codec
    const headers = { accept: 'application/x-protobuf', 'accept-encoding': encoding }
    const call: Call = { doing, path: `/shards/${shard}`, query, headers, signal, isRecycled: true }
    return pulledLogs(cursor, await this.#call(call))
  }

  /** Takes the memory of an answer back that was unpacked, or is not wanted. */
  recycle({ body }: PulledLogs): void {
    this.#bodies.give(body)
  }

  /** Makes a consumer group, unless it is there already. */
  async ensureConsumerGroup(name: string): Promise<void> {
    const json = { consumerGroup: name, timeout: 60, order: false }
    const doing = `creating the consumer group ${name}`
    try {
      await this.#call({ doing, method: 'POST', path: '/consumergroups', json })
    } catch (error) {
      const code = error instanceof MillraceError ? String(error.detail['errorCode'] ?? '') : ''
      if (!/alreadyexist$/i.test(code)) throw error
    }
  }

  /** Writes what a consumer group shows for a shard. Nobody has to hold the shard for it, and nobody ever reads it here. */
  async setGroupCheckpoint(group: string, shard: number, cursor: string): Promise<void> {
    const query: Query = [
      ['type', 'checkpoint'],
      ['consumer', ''],
      ['forceSuccess', 'true'],
    ]
    const path = `/consumergroups/${percentEncoded(group)}`
    const doing = `reporting to the consumer group ${group}`
    await this.#call({ doing, method: 'POST', path, query, json: { shard, checkpoint: cursor } })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#http.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #json(call: Call): Promise<Record<string, unknown>> {
    const { body } = await this.#call(call)
    try {
      return JSON.parse(body.toString()) as Record<string, unknown>
    } catch (cause) {
      const message = `${this.#where(call.doing)}: the answer is not JSON`
      throw new MillraceError(message, { code: 'UNAVAILABLE', retry: 'restart', cause })
    }
  }

  /** Sends until there is an answer, or a refusal that no repetition helps against. */
  async #call(call: Call): Promise<HttpReply> {
    const { now, patienceMs } = this.#options
    const signal = AbortSignal.any([this.#closing.signal, ...(call.signal === undefined ? [] : [call.signal])])
    const started = now()
    let mended = 0
    let isReported = false
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted()
      const credentials = await this.#options.credentials.current()
      const outcome = await this.#attempt(call, credentials, signal)
      if ('reply' in outcome) return outcome.reply
      const { remedy, error } = outcome
      if (remedy === 'give-up') throw error
      if (remedy === 'refresh' || remedy === 'set-clock') {
        const isMended =
          remedy === 'refresh' ? this.#options.credentials.refresh(credentials) : this.#setClock(outcome.refused)
        if (++mended > MENDED_MAX || !(await isMended)) throw error
        continue
      }
      const elapsed = now() - started
      const pause = this.#pauseMs(remedy, attempt)
      if (elapsed + pause > patienceMs) throw error
      if (!isReported && elapsed > REPORT_MS) {
        isReported = true
        this.#options.report(`${error.message} It has been tried again for ${Math.round(elapsed / 1000)} s.`)
      }
      await sleep(pause, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Half of the pause is certain, the other half is chance: shards that were refused together come back apart. */
  #pauseMs(remedy: 'repeat' | 'slow-down', attempt: number): number {
    const first = remedy === 'slow-down' ? FIRST_QUOTA_PAUSE_MS : FIRST_PAUSE_MS
    const full = Math.min(PAUSE_MAX_MS, first * 2 ** Math.min(attempt, 10))
    return Math.round(full * (0.5 + 0.5 * this.#options.random()))
  }

  #setClock(reply: HttpReply | undefined): boolean {
    const seconds = Number(reply?.headers['x-log-time'] ?? Number.NaN)
    const server = Number.isNaN(seconds) ? Date.parse(reply?.headers.date ?? '') : seconds * 1000
    if (Number.isNaN(server)) return false
    this.#clockAheadMs = server - this.#options.now()
    const off = Math.round(Math.abs(this.#clockAheadMs) / 1000)
    this.#options.report(
      `the clock of this machine differs from that of SLS by ${off} s: requests are signed by theirs`,
    )
    return true
  }

  async #attempt(
    call: Call,
    credentials: SlsCredentials,
    signal: AbortSignal,
  ): Promise<
    | { readonly reply: HttpReply }
    | { readonly remedy: ReturnType<typeof remedyOf>; readonly error: MillraceError; readonly refused?: HttpReply }
  > {
    const doing = this.#where(call.doing)
    let reply: HttpReply
    try {
      reply = await this.#send(call, credentials, signal)
    } catch (cause) {
      if (cause instanceof MillraceError) throw cause
      signal.throwIfAborted()
      const message = `${doing}: ${(cause as Error).message}.`
      return { remedy: 'repeat', error: new MillraceError(message, { code: 'UNAVAILABLE', retry: 'restart', cause }) }
    }
    if (reply.status >= 200 && reply.status < 300) return { reply }
    const refusal = refusalOf(reply)
    const remedy = remedyOf(refusal)
    const error = refusalError(doing, refusal)
    if (remedy !== 'repeat' && remedy !== 'slow-down') return { remedy, error, refused: reply }
    const detail = { ...error.detail }
    return { remedy, error: new MillraceError(error.message, { code: 'UNAVAILABLE', retry: 'restart', detail }) }
  }

  #send(call: Call, credentials: SlsCredentials, signal: AbortSignal): Promise<HttpReply> {
    const { method = 'GET', query = [], json } = call
    const body = json === undefined ? EMPTY : Buffer.from(JSON.stringify(json))
    const path = `/logstores/${percentEncoded(this.#options.logstore)}${call.path}`
    const headers = {
      host: this.#endpoint.authority,
      'user-agent': 'millrace',
      'x-log-apiversion': '0.6.0',
      'x-log-bodyrawsize': String(body.length),
      ...(json === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(body.length) }),
      ...call.headers,
    }
    const request: SignableRequest = { method, path, query, headers, body }
    const now = this.#options.now() + this.#clockAheadMs
    const signed = signedHeaders(request, credentials, this.#signing, now)
    const parameters = query.map(([name, value]) => `${name}=${percentEncoded(value)}`).join('&')
    const target = parameters === '' ? path : `${path}?${parameters}`
    const allocate = call.isRecycled === true ? (bytes: number): Buffer => this.#bodies.take(bytes) : undefined
    return this.#http.send({ method, target, headers: signed, body }, signal, allocate)
  }

  #where(doing: string): string {
    return `${doing} of SLS ${this.#options.project}/${this.#options.logstore}`
  }
}

function signingMethod({ signature, region }: SlsClientOptions, endpoint: SlsEndpoint): SigningMethod {
  const known = region ?? endpoint.region
  if (signature === 'v1' || (signature === undefined && known === undefined)) return { version: 'v1' }
  if (known !== undefined) return { version: 'v4', region: known }
  throw new MillraceError(
    'signature v4 needs a region, which the name of the SLS endpoint does not tell: set `region`',
    {
      code: 'CONFIG',
      retry: 'halt',
    },
  )
}

function refusalOf({ status, headers, body }: HttpReply): Refusal {
  const requestId = String(headers['x-log-requestid'] ?? 'unknown')
  try {
    const { errorCode, errorMessage } = JSON.parse(body.toString()) as Record<string, unknown>
    if (typeof errorCode === 'string') return { status, errorCode, errorMessage: String(errorMessage ?? ''), requestId }
  } catch {
    // A gateway in front of the service answers with HTML.
  }
  return { status, errorCode: '', errorMessage: '', requestId }
}
