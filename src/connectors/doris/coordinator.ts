import type { CommitOutcome, CommitPermit, Evidence, SweepReport, SweepScope } from '../../core/checkpoint-types.ts'
import type { CoordinatorContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../core/sink.ts'
import type { DorisTwoPhaseLoads, DorisTransactionName } from '../../clients/stream-load/index.ts'
import { sweepLabels } from '../../clients/stream-load/loader/sweep-labels.ts'
import { toAbort, toEvidence, toSinkOutcome } from '../../clients/stream-load/loader/to-core.ts'
import type { DorisSinkOptions } from './options.ts'

/** Doris answers a commit before readers see the rows, so its state is asked until they do. */
const VISIBLE_WAIT_MS = 60_000

/** Commits by transaction id, with the label as evidence; repeating it is harmless. */
export class DorisCoordinator implements SinkCoordinator {
  readonly #options: DorisSinkOptions
  readonly #context: CoordinatorContext
  readonly #loads: DorisTwoPhaseLoads

  constructor(options: DorisSinkOptions, context: CoordinatorContext, loads: DorisTwoPhaseLoads) {
    this.#options = options
    this.#context = context
    this.#loads = loads
  }

  /** Labels are made of numbers alone; nothing is asked of the server before the first row. */
  async begin(checkpoint: number, epoch: number): Promise<JsonObject> {
    return { checkpoint, epoch }
  }

  async combine(_checkpoint: number, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    return parts.map((part) => ({
      orderKey: `${String(part['database'])}.${String(part['table'])}/${String(part['label'])}`,
      rows: Number(part['rows']),
      committable: part,
    }))
  }

  async commit(_permit: CommitPermit, committable: JsonObject): Promise<CommitOutcome> {
    const name = nameOf(committable)
    const outcome = await this.#loads.commit(name)
    failpoint('commit', 'sent')
    return toSinkOutcome(outcome, () => this.#loads.settle(name, VISIBLE_WAIT_MS))
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    return Promise.all(
      committables.map(async (committable) =>
        toEvidence(await this.#loads.settle(nameOf(committable), VISIBLE_WAIT_MS)),
      ),
    )
  }

  async abort(committable: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    return toAbort(await this.#loads.abort(nameOf(committable)))
  }

  sweep(scope: SweepScope): Promise<SweepReport> {
    const { database, table, labelPrefix } = this.#options
    const { job, id, lanes } = this.#context
    return sweepLabels({
      scope,
      base: { prefix: labelPrefix, jobUid: job, sink: id, table: `${database}.${table}` },
      writers: this.#options.writers === 'auto' ? 1 : Math.min(this.#options.writers, lanes),
      isNumbered: true,
      state: async (label) => {
        const found = await this.#loads.state({ database, label })
        if (found.kind === 'state') return found.state
        throw found.kind === 'failed' ? found.error : unanswered(label, found.reason)
      },
      abandon: (label) => this.#loads.abandon({ database, label }),
    })
  }

  async fingerprint(): Promise<JsonObject> {
    return { database: this.#options.database, table: this.#options.table }
  }

  async close(): Promise<void> {
    await this.#loads[Symbol.asyncDispose]()
  }
}

function nameOf(committable: JsonObject): DorisTransactionName {
  return {
    database: String(committable['database']),
    label: String(committable['label']),
    txnId: BigInt(String(committable['txnId'])),
  }
}

function unanswered(label: string, reason: string): MillraceError {
  return new MillraceError(`asking for the state of ${label}: ${reason}`, { code: 'UNAVAILABLE', retry: 'restart' })
}
