import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import {
  PlainLoads,
  type HeaderFields,
  type PlainLoadOutcome,
  type StreamLoadEndpoint,
} from '../clients/stream-load/index.ts'
import { bodyOf, type LoadBody, type LoadInput } from './load-input.ts'

export interface LoadClientOptions extends StreamLoadEndpoint {
  readonly database: string
  /** First part of labels. Default: millrace. */
  readonly labelPrefix?: string
  /** How often a load is tried in all. Default 5. */
  readonly attempts?: number
}

/** How rows become rows of the table. Names are those of the server's headers, in camel case. */
export interface LoadOptions {
  readonly table: string
  /** The same label is taken only once while the server remembers it. Default: a new one. */
  readonly label?: string
  /** Columns of the body, and expressions over them: `id, name, day = date(ts)`. */
  readonly columns?: string
  /** Rows that are not taken are counted as unselected. */
  readonly where?: string
  /** Default true: a value that does not fit its column refuses the load instead of becoming NULL. */
  readonly strictMode?: boolean
  /** Share of rows that may be refused without refusing the load. Default 0. */
  readonly maxFilterRatio?: number
  /** Further headers, such as `partial_update`, `merge_condition` (StarRocks), `merge_type`, `delete` (Doris). */
  readonly headers?: Readonly<Record<string, string>>
}

export interface LoadResult {
  readonly label: string
  /** An earlier load with this label, or an earlier try of this one, did it. Then there are no counts. */
  readonly wasLoadedBefore: boolean
  readonly loadedRows: number | undefined
  readonly filteredRows: number | undefined
  readonly unselectedRows: number | undefined
  readonly bytes: number
  /** False when readers have to wait a little. */
  readonly isVisible: boolean
  readonly attempts: number
  /** Milliseconds until the server was ready for the body, for sending it, and for the answer; of the last try. */
  readonly timing: { readonly openMs: number; readonly sendMs: number; readonly answerMs: number }
}

/**
 * Loads rows by stream load. A load that may have arrived is repeated only under its own label, which the server takes
 * once: nothing is doubled, whatever gets lost on the way.
 */
export class LoadClient implements AsyncDisposable {
  readonly #loads: PlainLoads
  readonly #options: LoadClientOptions

  constructor(system: 'starrocks' | 'doris', options: LoadClientOptions) {
    this.#loads = new PlainLoads(system, options)
    this.#options = options
  }

  /** Rejects with `OUTCOME_UNKNOWN` when nobody can tell whether the rows are in; `detail.label` is what to ask for. */
  async load(input: LoadInput, options: LoadOptions): Promise<LoadResult> {
    const body = bodyOf(input)
    const label = options.label ?? `${this.#options.labelPrefix ?? 'millrace'}_${randomUUID()}`
    const { attempts = 5 } = this.#options
    let last: MillraceError | undefined
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (attempt > 1) await sleep(Math.random() * Math.min(10_000, 200 * 2 ** attempt))
      const tried = await this.#tryOnce(body, label, options, attempt)
      if (!('failure' in tried)) return tried
      last = tried.failure
      if (last.retry === 'halt' || !body.isRepeatable) throw last
    }
    throw last ?? new MillraceError(`loading ${label}: no attempt was allowed`, { code: 'CONFIG' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loads[Symbol.asyncDispose]()
  }

  async #tryOnce(
    body: LoadBody,
    label: string,
    options: LoadOptions,
    attempts: number,
  ): Promise<LoadResult | { readonly failure: MillraceError }> {
    const { database } = this.#options
    const begun = performance.now()
    let bytes = 0
    try {
      const stream = await this.#loads.load({
        database,
        table: options.table,
        label,
        headers: headersOf(body, options),
      })
      const opened = performance.now()
      try {
        for await (const chunk of body.chunks) {
          bytes += chunk.length
          await stream.write(chunk)
        }
      } catch {
        // The load is over; its outcome tells why.
      }
      const sent = performance.now()
      const outcome = await stream.end()
      const timing = { openMs: opened - begun, sendMs: sent - opened, answerMs: performance.now() - sent }
      return resultOf(outcome, { label, bytes, attempts, timing })
    } catch (thrown) {
      return { failure: toMillraceError(thrown) }
    }
  }
}

function resultOf(
  outcome: PlainLoadOutcome,
  known: Pick<LoadResult, 'label' | 'bytes' | 'attempts' | 'timing'>,
): LoadResult | { readonly failure: MillraceError } {
  const nothing = { loadedRows: undefined, filteredRows: undefined, unselectedRows: undefined }
  switch (outcome.kind) {
    case 'loaded': {
      const { loaded, filtered, unselected } = outcome.counts
      const counts = { loadedRows: loaded, filteredRows: filtered, unselectedRows: unselected }
      return { ...known, ...counts, wasLoadedBefore: false, isVisible: outcome.isVisible }
    }
    case 'loaded-before':
      return { ...known, ...nothing, wasLoadedBefore: true, isVisible: true }
    case 'failed':
      return { failure: outcome.error }
    case 'unknown': {
      const message = `loading ${known.label}: ${outcome.reason}`
      const detail = { label: known.label }
      return { failure: new MillraceError(message, { code: 'OUTCOME_UNKNOWN', retry: 'retry', detail }) }
    }
  }
}

function headersOf(body: LoadBody, options: LoadOptions): HeaderFields {
  const { columns, where, strictMode = true, maxFilterRatio = 0, headers = {} } = options
  return [
    ...body.headers,
    ['strict_mode', String(strictMode)],
    ['max_filter_ratio', String(maxFilterRatio)],
    ...(columns === undefined ? [] : [['columns', columns] as const]),
    ...(where === undefined ? [] : [['where', where] as const]),
    ...Object.entries(headers),
  ]
}
