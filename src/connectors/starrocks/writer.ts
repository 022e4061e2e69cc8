import type { Meter } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { HeaderFields, LoadOutcome, StarRocksTransactions } from '../../clients/stream-load/index.ts'
import type { BodyKeeper } from '../../clients/stream-load/loader/body-keeper.ts'
import { keptName } from '../../clients/stream-load/loader/kept-rows.ts'
import type { CheckpointLoad, LoadRows, PreparedLoad } from '../../clients/stream-load/loader/checkpoint-load.ts'
import { assertTaken } from '../../clients/stream-load/loader/count-rows.ts'
import { compressLoad, type Compression } from '../../clients/stream-load/loader/compressed-stream.ts'
import { meterLoad } from '../../clients/stream-load/loader/meter-load.ts'
import { FramedLoad, JSON_ARRAY, LINES } from '../../clients/stream-load/loader/framed-load.ts'

export interface StarRocksLoadOptions {
  readonly transactions: StarRocksTransactions
  readonly database: string
  readonly table: string
  readonly label: string
  readonly headers: HeaderFields
  readonly compression: Compression
  readonly meter: Meter
  readonly isJson: boolean
  readonly loadBytesMax: number
  /** Seconds from the first row to prepare. */
  readonly openTimeoutS: number
  /** Seconds from prepare to commit. */
  readonly preparedTimeoutS: number
  /** Commits in the lane instead of handing out a committable. */
  readonly isAtLeastOnce: boolean
  /** Keeps what is sent, where the sink is told to. */
  readonly keeper: BodyKeeper | undefined
}

/** One transaction: begun by its first row, fed by one load after the other, prepared at the barrier. */
export class StarRocksCheckpointLoad implements CheckpointLoad {
  readonly #options: StarRocksLoadOptions
  #isBegun = false
  #isEnded = false
  #loads = 0
  #load: FramedLoad<LoadOutcome> | undefined
  /** Writing, closing for idleness and preparing use the transaction one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #rows = 0
  #bytes = 0

  constructor(options: StarRocksLoadOptions) {
    this.#options = options
  }

  write(rows: LoadRows, done: () => void): Promise<void> {
    return this.#inTurn(async () => {
      let isSent = false
      try {
        if (this.#load !== undefined && this.#load.bytes + rows.length > this.#options.loadBytesMax)
          await this.#endLoad()
        this.#load ??= await this.#openLoad()
        isSent = true
        await this.#load.write(rows, done)
        this.#rows += rows.rows
        this.#bytes += rows.length
      } catch (error) {
        if (!isSent) done()
        throw await this.#reason(error)
      }
    })
  }

  closeLoad(): Promise<void> {
    return this.#inTurn(() => this.#endLoad())
  }

  prepare(): Promise<PreparedLoad> {
    return this.#inTurn(async () => {
      if (!this.#isBegun) return { committables: [], rows: 0, bytes: 0 }
      await this.#endLoad()
      const { transactions, database, table, label, preparedTimeoutS, isAtLeastOnce, keeper } = this.#options
      failpoint('sink.prepare', 'before')
      const outcome = await transactions.prepare({ database, label, preparedTimeoutS })
      failpoint('sink.prepare', 'sent')
      if (outcome.kind === 'failed') throw outcome.error
      if (outcome.kind !== 'prepared') throw uncounted(label, outcome.kind)
      assertTaken(label, this.#rows, outcome.counts)
      this.#isEnded = true
      if (isAtLeastOnce) {
        await this.#commitNow()
        return { committables: [], rows: this.#rows, bytes: this.#bytes }
      }
      const kept = keeper === undefined ? {} : { kept: keeper.take() }
      return {
        committables: [{ database, table, label, rows: this.#rows, ...kept }],
        rows: this.#rows,
        bytes: this.#bytes,
      }
    })
  }

  async rollback(): Promise<void> {
    this.#load?.destroy()
    await this.#turn.catch(() => undefined)
    if (!this.#isBegun || this.#isEnded) return
    const { transactions, database, label, keeper } = this.#options
    // What stays all the same is found by its epoch at the next start, or ends at the server's timeout.
    await Promise.all([transactions.abandon({ database, label }), keeper?.discard().catch(() => undefined)])
  }

  async #openLoad(): Promise<FramedLoad<LoadOutcome>> {
    const { transactions, database, table, label, headers, isJson, keeper } = this.#options
    if (!this.#isBegun) await this.#begin()
    const stream = await transactions.load({ database, table, label, headers })
    const sent = keeper === undefined ? stream : await keeper.keep(stream, keptName(label, this.#loads++))
    return new FramedLoad(compressLoad(sent, this.#options.compression), isJson ? JSON_ARRAY : LINES)
  }

  async #begin(): Promise<void> {
    const { transactions, database, table, label, openTimeoutS } = this.#options
    const outcome = await transactions.begin({ database, table, label, timeoutS: openTimeoutS })
    // Also after an unclear answer there may be a transaction: a rollback has to look.
    this.#isBegun = true
    switch (outcome.kind) {
      case 'begun':
        return
      case 'failed':
        throw outcome.error
      case 'unknown':
        throw new MillraceError(`beginning ${label}: ${outcome.reason}`, { code: 'UNAVAILABLE', retry: 'restart' })
      case 'label-exists':
        throw labelExists(label, outcome.existing)
    }
  }

  async #endLoad(): Promise<void> {
    const load = this.#load
    if (load === undefined) return
    this.#load = undefined
    failpoint('sink.flush', 'before')
    const { meter } = this.#options
    const outcome = await meterLoad(meter, load.openedAt, ({ kind }) => kind === 'loaded', load.end())
    failpoint('sink.flush', 'after')
    if (outcome.kind !== 'loaded') throw loadError(this.#options.label, outcome)
  }

  async #commitNow(): Promise<void> {
    const { transactions, database, label } = this.#options
    const outcome = await transactions.commit({ database, label })
    if (outcome.kind === 'committed' || outcome.kind === 'already-committed' || outcome.kind === 'visible-pending')
      return
    throw new MillraceError(`committing ${label}: ${outcome.kind}`, { code: 'UNAVAILABLE', retry: 'restart' })
  }

  /** A write that fails is explained by what the server said. */
  async #reason(error: unknown): Promise<unknown> {
    const load = this.#load
    if (load === undefined) return error
    const outcome = await load.outcome
    return outcome.kind === 'loaded' ? error : loadError(this.#options.label, outcome)
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act)
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}

/** A broken load is never repeated in pieces: the whole checkpoint is read again under a new label. */
function loadError(label: string, outcome: Exclude<LoadOutcome, { kind: 'loaded' }>): MillraceError {
  if (outcome.kind === 'failed') return outcome.error
  return new MillraceError(`loading ${label}: ${outcome.reason}`, { code: 'UNAVAILABLE', retry: 'restart' })
}

/** Prepared, but how many rows was never heard: without the count nothing is proven, so it is sent again. */
function uncounted(label: string, kind: string): MillraceError {
  return new MillraceError(`preparing ${label}: the answer with the row counts was lost (${kind})`, {
    code: 'UNAVAILABLE',
    retry: 'restart',
  })
}

function labelExists(label: string, existing: string): MillraceError {
  if (existing !== 'finished') {
    return new MillraceError(`beginning ${label}: the label is taken (${existing})`, {
      code: 'UNAVAILABLE',
      retry: 'restart',
    })
  }
  return new MillraceError(
    `beginning ${label}: a transaction with this label is already committed. The checkpoint log of this pipeline was ` +
      `probably lost or replaced: going on would load the same rows twice.`,
    { code: 'OUTCOME_UNKNOWN', detail: { label } },
  )
}
