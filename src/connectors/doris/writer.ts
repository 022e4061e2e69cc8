import type { Meter } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { DorisTwoPhaseLoads, HeaderFields, PrecommitOutcome } from '../../clients/stream-load/index.ts'
import type { BodyKeeper, KeptLoad } from '../../clients/stream-load/loader/body-keeper.ts'
import { keptName } from '../../clients/stream-load/loader/kept-rows.ts'
import type { CheckpointLoad, LoadRows, PreparedLoad } from '../../clients/stream-load/loader/checkpoint-load.ts'
import { assertTaken } from '../../clients/stream-load/loader/count-rows.ts'
import { compressLoad, type Compression } from '../../clients/stream-load/loader/compressed-stream.ts'
import { meterLoad } from '../../clients/stream-load/loader/meter-load.ts'
import { FramedLoad, LINES } from '../../clients/stream-load/loader/framed-load.ts'

export interface DorisLoadOptions {
  readonly loads: DorisTwoPhaseLoads
  readonly database: string
  readonly table: string
  /** Label of the checkpoint's load number `k`. */
  readonly labelOf: (k: number) => string
  readonly headers: HeaderFields
  readonly compression: Compression
  readonly meter: Meter
  readonly loadBytesMax: number
  /** Commits in the lane instead of handing out committables. */
  readonly isAtLeastOnce: boolean
  /** Keeps what is sent, where the sink is told to. */
  readonly keeper: BodyKeeper | undefined
}

interface Precommitted {
  readonly label: string
  readonly txnId: bigint
  readonly rows: number
  readonly kept: KeptLoad | undefined
}

/** One streaming request after the other, each a transaction of its own that ends precommitted. */
export class DorisCheckpointLoad implements CheckpointLoad {
  readonly #options: DorisLoadOptions
  readonly #precommitted: Precommitted[] = []
  #isHandedOver = false
  #load: { readonly label: string; readonly framed: FramedLoad<PrecommitOutcome> } | undefined
  #begun = 0
  #bytes = 0
  /** Writing, closing for idleness and preparing come one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: DorisLoadOptions) {
    this.#options = options
  }

  write(rows: LoadRows, done: () => void): Promise<void> {
    return this.#inTurn(async () => {
      let isSent = false
      try {
        if (this.#load !== undefined && this.#load.framed.bytes + rows.length > this.#options.loadBytesMax)
          await this.#endLoad()
        this.#load ??= await this.#openLoad()
        isSent = true
        await this.#load.framed.write(rows, done)
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
      failpoint('sink.prepare', 'before')
      await this.#endLoad()
      failpoint('sink.prepare', 'sent')
      this.#isHandedOver = true
      const rows = this.#precommitted.reduce((sum, load) => sum + load.rows, 0)
      if (this.#options.isAtLeastOnce) {
        await this.#commitNow()
        return { committables: [], rows, bytes: this.#bytes }
      }
      return { committables: this.#precommitted.map((load) => this.#committable(load)), rows, bytes: this.#bytes }
    })
  }

  async rollback(): Promise<void> {
    this.#load?.framed.destroy()
    await this.#turn.catch(() => undefined)
    if (this.#isHandedOver) return
    const { loads, database, labelOf, keeper } = this.#options
    // What stays all the same is found by its epoch at the next start, or ends at the server's timeout.
    const abandoned = Array.from({ length: this.#begun }, (_, k) => loads.abandon({ database, label: labelOf(k) }))
    await Promise.all([...abandoned, keeper?.discard().catch(() => undefined)])
  }

  async #openLoad(): Promise<{ label: string; framed: FramedLoad<PrecommitOutcome> }> {
    const { loads, database, table, headers, labelOf, keeper } = this.#options
    const label = labelOf(this.#begun)
    this.#begun += 1
    const stream = await loads.load({ database, table, label, headers })
    const sent = keeper === undefined ? stream : await keeper.keep(stream, keptName(label, 0))
    return { label, framed: new FramedLoad(compressLoad(sent, this.#options.compression), LINES) }
  }

  async #endLoad(): Promise<void> {
    const load = this.#load
    if (load === undefined) return
    this.#load = undefined
    failpoint('sink.flush', 'before')
    const { meter } = this.#options
    const outcome = await meterLoad(
      meter,
      load.framed.openedAt,
      ({ kind }) => kind === 'precommitted',
      load.framed.end(),
    )
    failpoint('sink.flush', 'after')
    if (outcome.kind !== 'precommitted') throw loadError(load.label, outcome)
    assertTaken(load.label, load.framed.rows, outcome.counts)
    const kept = this.#options.keeper?.take()
    this.#precommitted.push({ label: load.label, txnId: outcome.txnId, rows: load.framed.rows, kept })
  }

  async #commitNow(): Promise<void> {
    const { loads, database } = this.#options
    for (const { label, txnId } of this.#precommitted) {
      const { kind } = await loads.commit({ database, label, txnId })
      if (kind === 'committed' || kind === 'already-committed' || kind === 'visible-pending') continue
      throw new MillraceError(`committing ${label}: ${kind}`, { code: 'UNAVAILABLE', retry: 'restart' })
    }
  }

  #committable({ label, txnId, rows, kept }: Precommitted): JsonObject {
    const { database, table } = this.#options
    return { database, table, label, txnId: String(txnId), rows, ...(kept === undefined ? {} : { kept }) }
  }

  /** A write that fails is explained by what the server said. */
  async #reason(error: unknown): Promise<unknown> {
    const load = this.#load
    if (load === undefined) return error
    const outcome = await load.framed.outcome
    return outcome.kind === 'precommitted' ? error : loadError(load.label, outcome)
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act)
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}

/** A broken load is never repeated in pieces: the whole checkpoint is read again under new labels. */
function loadError(label: string, outcome: Exclude<PrecommitOutcome, { kind: 'precommitted' }>): MillraceError {
  if (outcome.kind === 'failed') return outcome.error
  if (outcome.kind === 'label-exists' && outcome.existing === 'finished') {
    return new MillraceError(
      `loading ${label}: a transaction with this label is already committed. The checkpoint log of this pipeline was ` +
        `probably lost or replaced: going on would load the same rows twice.`,
      { code: 'OUTCOME_UNKNOWN', detail: { label } },
    )
  }
  const reason = outcome.kind === 'label-exists' ? `the label is taken (${outcome.existing})` : outcome.reason
  return new MillraceError(`loading ${label}: ${reason}`, { code: 'UNAVAILABLE', retry: 'restart' })
}
