import type { CommitOutcome, CommitPermit, Evidence, SweepReport, SweepScope } from '../../core/checkpoint-types.ts'
import type { CoordinatorContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../core/sink.ts'
import type { StarRocksTransactions, TransactionName } from '../../clients/stream-load/index.ts'
import { sweepLabels } from '../../clients/stream-load/loader/sweep-labels.ts'
import { toAbort, toEvidence, toSinkOutcome } from '../../clients/stream-load/loader/to-core.ts'
import type { StarRocksSinkOptions } from './options.ts'

/** The FE answers a commit after a second at the latest; then the state is asked until readers see it. */
const PUBLISH_WAIT_S = 1
const VISIBLE_WAIT_MS = 60_000

/** Commits by label; repeating it is harmless, so a zombie of the same lineage can do no harm. */
export class StarRocksCoordinator implements SinkCoordinator {
  readonly #options: StarRocksSinkOptions
  readonly #context: CoordinatorContext
  readonly #transactions: StarRocksTransactions

  constructor(options: StarRocksSinkOptions, context: CoordinatorContext, transactions: StarRocksTransactions) {
    this.#options = options
    this.#context = context
    this.#transactions = transactions
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
    const outcome = await this.#transactions.commit({ ...name, publishWaitS: PUBLISH_WAIT_S })
    failpoint('commit', 'sent')
    return toSinkOutcome(outcome, () => this.#transactions.settle(name, VISIBLE_WAIT_MS))
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    return Promise.all(
      committables.map(async (committable) =>
        toEvidence(await this.#transactions.settle(nameOf(committable), VISIBLE_WAIT_MS)),
      ),
    )
  }

  async abort(committable: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    return toAbort(await this.#transactions.abandon(nameOf(committable)))
  }

  sweep(scope: SweepScope): Promise<SweepReport> {
    const { database, table, labelPrefix } = this.#options
    const { job, id, lanes } = this.#context
    return sweepLabels({
      scope,
      base: { prefix: labelPrefix, jobUid: job, sink: id, table: `${database}.${table}` },
      writers: this.#options.writers === 'auto' ? 1 : Math.min(this.#options.writers, lanes),
      isNumbered: false,
      state: async (label) => {
        const found = await this.#transactions.state({ database, label })
        if (found.kind === 'state') return found.state
        throw found.kind === 'failed' ? found.error : unanswered(label, found.reason)
      },
      abandon: (label) => this.#transactions.abandon({ database, label }),
    })
  }

  async fingerprint(): Promise<JsonObject> {
    return { database: this.#options.database, table: this.#options.table }
  }

  async close(): Promise<void> {
    await this.#transactions[Symbol.asyncDispose]()
  }
}

function nameOf(committable: JsonObject): TransactionName {
  return { database: String(committable['database']), label: String(committable['label']) }
}

function unanswered(label: string, reason: string): MillraceError {
  return new MillraceError(`asking for the state of ${label}: ${reason}`, { code: 'UNAVAILABLE', retry: 'restart' })
}
