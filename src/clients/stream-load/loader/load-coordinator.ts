import type {
  CommitOutcome,
  CommitPermit,
  Evidence,
  RunEpoch,
  SweepReport,
  SweepScope,
} from '../../../core/checkpoint-types.ts'
import type { CoordinatorContext } from '../../../core/context.ts'
import { MillraceError } from '../../../core/errors.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../../core/sink.ts'
import type { CommitOutcome as LoadCommitOutcome, Failed, RollbackOutcome, Unknown } from '../outcomes.ts'
import { findLabels } from './find-labels.ts'
import { sweepLabels, type LabelScope } from './sweep-labels.ts'
import { toAbort, toEvidence, toSinkOutcome } from './to-core.ts'

/** How one server finishes transactions. Committables are the connector's own; it reads them itself. */
export interface LoadServer {
  commit(committable: JsonObject): Promise<LoadCommitOutcome>
  /** Evidence; waits at most `waitMs` until a committed transaction is visible. */
  settle(committable: JsonObject, waitMs: number): Promise<LoadCommitOutcome>
  /** Undoes a prepared transaction. */
  abort(committable: JsonObject): Promise<RollbackOutcome>
  state(label: string): Promise<{ readonly kind: 'state'; readonly state: string } | Unknown | Failed>
  /** Makes sure that a label of which nothing else is known never becomes visible. */
  abandon(label: string): Promise<RollbackOutcome>
  close(): Promise<void>
}

export interface LoadTarget {
  readonly database: string
  readonly table: string
  readonly labelPrefix: string
  readonly writers: number
  /** Every load of a checkpoint has a label of its own (Doris). */
  readonly isNumbered: boolean
  /** Of rows with one key the last is kept, so the loads of a writer become visible in their order. */
  readonly isKeyed: boolean
}

const VISIBLE_WAIT_MS = 60_000

/** The coordinator's side of a stream-load sink. Repeating a commit is harmless, so a zombie of the same lineage is. */
export class LoadCoordinator implements SinkCoordinator {
  readonly #target: LoadTarget
  readonly #context: CoordinatorContext
  readonly #server: LoadServer

  constructor(target: LoadTarget, context: CoordinatorContext, server: LoadServer) {
    this.#target = target
    this.#context = context
    this.#server = server
  }

  /** Labels are made of numbers alone; nothing is asked of the server before the first row. */
  async begin(checkpoint: number, epoch: number): Promise<JsonObject> {
    return { checkpoint, epoch }
  }

  async combine(_checkpoint: number, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    return parts.map((part) => ({
      orderKey: `${String(part['database'])}.${String(part['table'])}/${this.#orderOf(String(part['label']))}`,
      rows: Number(part['rows']),
      committable: part,
    }))
  }

  async commit(_permit: CommitPermit, committable: JsonObject): Promise<CommitOutcome> {
    const outcome = await this.#server.commit(committable)
    failpoint('commit', 'sent')
    return toSinkOutcome(outcome, () => this.#server.settle(committable, VISIBLE_WAIT_MS))
  }

  #orderOf(label: string): string {
    const { isNumbered, isKeyed } = this.#target
    return isNumbered && isKeyed ? label.replace(/_l\d+$/, '') : label
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    return Promise.all(
      committables.map(async (committable) => toEvidence(await this.#server.settle(committable, VISIBLE_WAIT_MS))),
    )
  }

  async abort(committable: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    return toAbort(await this.#server.abort(committable))
  }

  sweep(scope: SweepScope): Promise<SweepReport> {
    return sweepLabels({ ...this.#labels(), scope, abandon: (label) => this.#server.abandon(label) })
  }

  findTraces(own: RunEpoch): Promise<readonly string[]> {
    return findLabels({ ...this.#labels(), own })
  }

  async fingerprint(): Promise<JsonObject> {
    return { database: this.#target.database, table: this.#target.table }
  }

  close(): Promise<void> {
    return this.#server.close()
  }

  #labels(): LabelScope {
    const { database, table, labelPrefix, writers, isNumbered } = this.#target
    const { job, id } = this.#context
    return {
      base: { prefix: labelPrefix, jobUid: job, sink: id, table: `${database}.${table}` },
      writers,
      isNumbered,
      state: async (label) => {
        const found = await this.#server.state(label)
        if (found.kind === 'state') return found.state
        throw found.kind === 'failed' ? found.error : unanswered(label, found.reason)
      },
    }
  }
}

function unanswered(label: string, reason: string): MillraceError {
  return new MillraceError(`asking for the state of ${label}: ${reason}`, { code: 'UNAVAILABLE', retry: 'restart' })
}
