import type { EmulatorClock } from '../clock.ts'
import { EMPTY_ANSWER, codecOf, jsonAnswer, pullAnswer, type HttpAnswer } from './answers.ts'
import { consumerGroupCall } from './consumer-groups.ts'
import { cursorOf, positionOf } from './cursor-text.ts'
import type { SlsOperation } from './faults.ts'
import { countLogs } from './log-group.ts'
import { Logstore, type LogstoreOptions } from './logstore.ts'
import { SlsProblem } from './problem.ts'
import { unpackBody } from './put-body.ts'
import type { SlsSettings } from './settings.ts'
import type { Shard } from './shard.ts'
import type { SignedRequest } from './signature.ts'

const COUNT_MAX = 1000
/** Smaller answers are made each time. */
const PREPARED_BYTES_MIN = 64 * 1024
const PREPARED_BYTES_MAX = 512 * 1024 * 1024

/** What a request is about. */
export interface SlsRoute {
  readonly operation: SlsOperation
  readonly shard?: number
  run(options: { readonly breaksList: boolean }): HttpAnswer
}

/** The operations on the logstores of one project (help.aliyun.com, API reference of Simple Log Service). */
export class SlsService {
  readonly logstores: Map<string, Logstore> = new Map()
  readonly #clock: EmulatorClock
  readonly #settings: SlsSettings
  readonly #reads = new Map<string, number[]>()
  readonly #answers = new Map<string, HttpAnswer>()
  #answerBytes = 0

  constructor(clock: EmulatorClock, settings: SlsSettings) {
    this.#clock = clock
    this.#settings = settings
  }

  create(options: LogstoreOptions): Logstore {
    const logstore = new Logstore(options, this.#clock)
    this.logstores.set(options.name, logstore)
    this.#answers.clear()
    this.#answerBytes = 0
    return logstore
  }

  route(request: SignedRequest): SlsRoute {
    const { method, path, query } = request
    const [, name, rest = ''] = /^\/logstores\/([^/]+)(\/.*)?$/.exec(path) ?? []
    if (name === undefined) throw new SlsProblem(404, 'InvalidAPI', `the emulator has no ${method} ${path}`)
    const logstore = this.logstores.get(decodeURIComponent(name))
    if (logstore === undefined) throw new SlsProblem(404, 'LogStoreNotExist', `logstore ${name} does not exist`)
    logstore.listDelayMs = this.#settings.listDelayMs
    const shardId = /^\/shards\/(\d+)$/.exec(rest)?.[1]
    if (shardId !== undefined) return this.#shardRoute(logstore, Number(shardId), request)
    if (rest.startsWith('/consumergroups')) {
      const run = (): HttpAnswer => consumerGroupCall(logstore, rest, request, this.#clock.now())
      return { operation: 'consumerGroup', run }
    }
    switch (`${method} ${rest}`) {
      case 'GET ':
        return { operation: 'getLogstore', run: () => jsonAnswer(settingsOf(logstore)) }
      case 'GET /shards':
        return { operation: 'listShards', run: () => jsonAnswer(logstore.list()) }
      case 'POST ':
      case 'POST /shards/lb':
        return { operation: 'putLogs', run: () => this.#put(logstore.shardFor(undefined), request) }
      case 'POST /shards/route': {
        const key = (query.get('key') ?? '').toLowerCase()
        return { operation: 'putLogs', run: () => this.#put(logstore.shardFor(key), request) }
      }
      default:
        throw new SlsProblem(404, 'InvalidAPI', `the emulator has no ${method} ${path}`)
    }
  }

  #shardRoute(logstore: Logstore, id: number, request: SignedRequest): SlsRoute {
    const { method, query } = request
    const type = method === 'POST' ? query.get('action') : query.get('type')
    switch (`${method} ${type}`) {
      case 'POST split': {
        const key = query.get('key') ?? undefined
        const count = Number(query.get('shardCount') ?? 2)
        return { operation: 'split', shard: id, run: () => jsonAnswer(shown(logstore, logstore.split(id, key, count))) }
      }
      case 'POST merge':
        return { operation: 'merge', shard: id, run: () => jsonAnswer(shown(logstore, logstore.merge(id))) }
      case 'GET cursor':
        return { operation: 'getCursor', shard: id, run: () => getCursor(logstore.shard(id), query.get('from') ?? '') }
      case 'GET cursor_time':
        return { operation: 'getCursorTime', shard: id, run: () => getCursorTime(logstore.shard(id), query) }
      case 'GET log':
      case 'GET logs':
        return {
          operation: 'pullLogs',
          shard: id,
          run: ({ breaksList }) => this.#pull(logstore, id, request, breaksList),
        }
      default:
        throw new SlsProblem(400, 'ParameterInvalid', `there is no ${method} of a shard with type ${type}`)
    }
  }

  #pull(logstore: Logstore, id: number, { query, headers }: SignedRequest, breaksList: boolean): HttpAnswer {
    const shard = logstore.shard(id)
    this.#limitReads(`${logstore.name}/${id}`)
    const from = askedPosition(query)
    const count = Number(query.get('count'))
    if (!Number.isInteger(count) || count < 1 || count > COUNT_MAX) {
      throw new SlsProblem(400, 'ParameterInvalid', `count must be from 1 to ${COUNT_MAX}`)
    }
    const until = query.has('end_cursor') ? positionOf(query.get('end_cursor') ?? '') : undefined
    const found = from >= shard.end ? [] : shard.read(from, count, this.#settings.pullBytesMax)
    const groups = until === undefined ? found : found.filter(({ position }) => position < until)
    const last = groups.at(-1)
    const next = last === undefined ? from : last.position + 1n
    const codec = codecOf(headers['accept-encoding'])
    const facts = { groups, next, cursorTime: shard.timeOf(next), isEnd: next >= shard.end, codec }
    if (breaksList) return pullAnswer({ ...facts, hidesLastCursor: false, breaksList })
    return this.#prepared(`${logstore.name}/${id}/${groups[0]?.position}/${groups.length}/${codec}/${next}`, () =>
      pullAnswer({ ...facts, hidesLastCursor: this.#settings.hidesLastCursor, breaksList: false }),
    )
  }

  /** Answers that were sent before come from here, so that benches do not measure the emulator. */
  #prepared(key: string, make: () => HttpAnswer): HttpAnswer {
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    const answer = make()
    if (answer.body.length < PREPARED_BYTES_MIN) return answer
    this.#answers.set(key, answer)
    this.#answerBytes += answer.body.length
    for (const [oldest, { body }] of this.#answers) {
      if (this.#answerBytes <= PREPARED_BYTES_MAX) break
      this.#answers.delete(oldest)
      this.#answerBytes -= body.length
    }
    return answer
  }

  #limitReads(shard: string): void {
    const { readsPerSecond } = this.#settings
    if (readsPerSecond === 0) return
    const now = this.#clock.now()
    const recent = (this.#reads.get(shard) ?? []).filter((at) => now - at < 1000)
    this.#reads.set(shard, recent)
    if (recent.length >= readsPerSecond) {
      throw new SlsProblem(403, 'ShardReadQuotaExceed', `shard ${shard} exceeds its read quota`)
    }
    recent.push(now)
  }

  #put(shard: Shard, request: SignedRequest): HttpAnswer {
    const group = unpackBody(request)
    let logs: number
    try {
      logs = countLogs(group)
    } catch (error) {
      throw new SlsProblem(400, 'PostBodyInvalid', (error as Error).message)
    }
    shard.append(group, logs, Math.floor(this.#clock.now() / 1000))
    return EMPTY_ANSWER
  }
}

function askedPosition(query: URLSearchParams): bigint {
  const cursor = query.get('cursor') ?? ''
  const position = positionOf(cursor)
  if (position === undefined) throw new SlsProblem(400, 'InvalidCursor', `the cursor ${cursor} is invalid`)
  return position
}

/** `begin`, `end`, or seconds since 1970: then the first package that was received at that time or later. */
function getCursor(shard: Shard, from: string): HttpAnswer {
  if (from === 'begin') return jsonAnswer({ cursor: cursorOf(shard.begin) })
  if (from === 'end') return jsonAnswer({ cursor: cursorOf(shard.end) })
  if (!/^\d+$/.test(from)) throw new SlsProblem(400, 'ParameterInvalid', `from is ${from}`)
  return jsonAnswer({ cursor: cursorOf(shard.positionAt(Number(from))) })
}

function getCursorTime(shard: Shard, query: URLSearchParams): HttpAnswer {
  return jsonAnswer({ cursor_time: shard.timeOf(askedPosition(query)) })
}

function settingsOf({ name, ttlDays, shards }: Logstore): object {
  return { logstoreName: name, ttl: ttlDays, shardCount: shards.length, autoSplit: false, appendMeta: false }
}

function shown(logstore: Logstore, shards: readonly Shard[]): object[] {
  return shards.map(({ id, status, beginKey, endKey, createTime }) => ({
    shardID: id,
    status,
    inclusiveBeginKey: beginKey,
    exclusiveEndKey: endKey,
    createTime,
    logstore: logstore.name,
  }))
}
