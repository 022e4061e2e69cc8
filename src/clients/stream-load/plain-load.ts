import { MillraceError } from '../../core/errors.ts'
import { classifiedCall, classifiedStream } from './classified.ts'
import { askDoris } from './doris/backends.ts'
import { classifyState as classifyDorisState } from './doris/classify.ts'
import { checkEndpoint, type StreamLoadEndpoint } from './endpoint.ts'
import type { HeaderFields } from './header-safety.ts'
import { StreamLoadHttp } from './http.ts'
import type { Failed, LoadStream, PlainLoadOutcome, Unknown } from './outcomes.ts'
import { type Pause, poll, systemPause } from './pause.ts'
import type { HttpReply } from './reply-parser.ts'
import { countsOf, failed, readReply, refused, type ReplyContext, unknown } from './reply-result.ts'
import type { Resolver } from './resolve.ts'
import { askStarRocks } from './starrocks/backends.ts'
import { classifyState as classifyStarRocksState } from './starrocks/classify.ts'
import { shownText } from './refusal.ts'

/** What one reply says; `label-running` is resolved by the label's state. */
export type PlainReplyClass = PlainLoadOutcome | { readonly kind: 'label-running'; readonly reason: string }

/** StarRocks and Doris answer a plain load with the same words (StreamLoadContext::to_json in both). */
export function classifyPlainLoad(reply: HttpReply, context: ReplyContext): PlainReplyClass {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  switch (result.status) {
    case 'Success':
    case 'Publish Timeout': {
      const txnId = result.fields.integer('TxnId')
      const counts = countsOf(result.fields)
      if (txnId === undefined || counts === undefined) return unknown(`${result.status} without id and counters`)
      return { kind: 'loaded', txnId, counts, isVisible: result.status === 'Success' }
    }
    case 'Label Already Exists': {
      const existing = result.fields.text('ExistingJobStatus') ?? 'unstated'
      return existing === 'FINISHED'
        ? { kind: 'loaded-before' }
        : { kind: 'label-running', reason: `the label is in use (${shownText(existing)})` }
    }
    default:
      return refused(result, context)
  }
}

export interface PlainLoadOptions {
  /** How long a label that is still running is waited for, in milliseconds. Default 60 000. */
  readonly runningMs?: number
  readonly pause?: Pause
  readonly resolver?: Resolver
}

/**
 * Plain stream loads: one request is one transaction, visible at its end. At least once: a repeated label is taken only
 * once while the server remembers it (StarRocks 3 days and 1000 per database, Doris 12 hours and 2000).
 */
export class PlainLoads implements AsyncDisposable {
  readonly #http: StreamLoadHttp
  readonly #system: 'starrocks' | 'doris'
  readonly #runningMs: number
  readonly #pause: Pause

  /** @throws MillraceError CONFIG */
  constructor(system: 'starrocks' | 'doris', endpoint: StreamLoadEndpoint, options: PlainLoadOptions = {}) {
    const directory = system === 'starrocks' ? askStarRocks : askDoris
    this.#http = new StreamLoadHttp(checkEndpoint(endpoint), directory, options.resolver)
    this.#system = system
    this.#runningMs = options.runningMs ?? 60_000
    this.#pause = options.pause ?? systemPause
  }

  /**
   * Opens one load. After `failed` with retry `restart` or `retry` the same label may be used again; after `unknown` too:
   * if the first one counts, the second is `loaded-before`.
   *
   * @throws MillraceError when no backend asked for the body: nothing was sent.
   */
  async load(at: {
    readonly database: string
    readonly table: string
    readonly label: string
    readonly headers: HeaderFields
  }): Promise<LoadStream<PlainLoadOutcome>> {
    const doing = `loading ${at.label} into ${at.database}.${at.table}`
    const context: ReplyContext = { doing, label: at.label, holdsData: true }
    const body = await this.#http.open({
      method: 'PUT',
      path: `/api/${encodeURIComponent(at.database)}/${encodeURIComponent(at.table)}/_stream_load`,
      headers: [['label', at.label], ...at.headers],
      isRepeatable: false,
      doing,
    })
    const classify = async (reply: HttpReply): Promise<PlainLoadOutcome> => {
      const found = classifyPlainLoad(reply, context)
      return found.kind === 'label-running' ? this.#whenFinished(at, context) : found
    }
    return classifiedStream<PlainLoadOutcome>(at.label, body, classify)
  }

  /** Closes all connections; loads in flight are rolled back by the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.close()
  }

  /** Waits for the other load with this label, and takes its end for ours. */
  async #whenFinished(
    at: { readonly database: string; readonly label: string },
    context: ReplyContext,
  ): Promise<PlainLoadOutcome> {
    let last = 'not asked yet'
    const outcome = await poll<PlainLoadOutcome>(this.#runningMs, this.#pause, async () => {
      const found = await this.#state(at, context)
      if (found.kind === 'failed') return found
      last = found.kind === 'state' ? found.state : found.reason
      if (last === 'COMMITTED' || last === 'VISIBLE') return { kind: 'loaded-before' }
      return last === 'ABORTED' ? failed(rolledBack(context)) : undefined
    })
    return outcome ?? unknown(`the label is still in use after ${this.#runningMs} ms: ${last}`)
  }

  #state(
    at: { readonly database: string; readonly label: string },
    context: ReplyContext,
  ): Promise<{ readonly kind: 'state'; readonly state: string } | Unknown | Failed> {
    const path = `/api/${encodeURIComponent(at.database)}/get_load_state?label=${encodeURIComponent(at.label)}`
    const request = { method: 'GET', path, headers: [], isRepeatable: true, doing: context.doing } as const
    const classify = this.#system === 'starrocks' ? classifyStarRocksState : classifyDorisState
    return classifiedCall(this.#http, request, (reply) => classify(reply, context))
  }
}

function rolledBack(context: ReplyContext): MillraceError {
  return new MillraceError(`${context.doing}: another load with this label was rolled back; the label is free again`, {
    code: 'UNAVAILABLE',
    retry: 'retry',
  })
}
