import type {
  CommitOutcome,
  CommitPermit,
  Evidence,
  RunEpoch,
  SweepReport,
  SweepScope,
} from '../../../core/checkpoint-types.ts'
import { assert } from '../../../core/assert.ts'
import type { CoordinatorContext } from '../../../core/context.ts'
import { MillraceError } from '../../../core/errors.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../../core/sink.ts'
import type { CommitOutcome as LoadCommitOutcome, Failed, RollbackOutcome, Unknown } from '../outcomes.ts'
import type { KeptLoad } from './body-keeper.ts'
import { findLabels } from './find-labels.ts'
import { keptOf, KeptRows, labelOfReload } from './kept-rows.ts'
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
  /** Loads kept rows under the label that `committable` has by now, and prepares them; adds what the server said. */
  reload(committable: JsonObject, kept: KeptLoad, rows: KeptRows): Promise<JsonObject>
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
  /** Rows are kept until they are confirmed. */
  readonly isKept: boolean
}

const VISIBLE_WAIT_MS = 60_000

/** The coordinator's side of a stream-load sink. Repeating a commit is harmless, so a zombie of the same lineage is. */
export class LoadCoordinator implements SinkCoordinator {
  readonly #target: LoadTarget
  readonly #context: CoordinatorContext
  readonly #server: LoadServer
  readonly #rows: KeptRows

  constructor(target: LoadTarget, context: CoordinatorContext, server: LoadServer) {
    this.#target = target
    this.#context = context
    this.#server = server
    this.#rows = new KeptRows(async () => {
      const { openStaging } = this.#context
      assert(openStaging !== undefined, 'the engine says where rows are kept')
      return openStaging()
    })
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
      committables.map(async (committable) => {
        const evidence = toEvidence(await this.#server.settle(committable, VISIBLE_WAIT_MS))
        const isKept = evidence.state === 'lost' && (await this.#rows.has(committable))
        return isKept ? { ...evidence, isKept } : evidence
      }),
    )
  }

  async reload(committable: JsonObject, own: RunEpoch): Promise<JsonObject> {
    const kept = keptOf(committable)
    assert(kept !== undefined, 'only what was kept is loaded again')
    const label = labelOfReload(this.#labels().base, String(committable['label']), own)
    failpoint('sink.prepare', 'before')
    try {
      const reloaded = await this.#server.reload({ ...committable, label }, kept, this.#rows)
      failpoint('sink.prepare', 'after')
      return reloaded
    } catch (error) {
      await this.#server.abandon(label).catch(() => undefined)
      throw error
    }
  }

  forget(committables: readonly JsonObject[]): Promise<void> {
    return this.#rows.forget(committables)
  }

  async abort(committable: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    return toAbort(await this.#server.abort(committable))
  }

  async sweep(scope: SweepScope): Promise<SweepReport> {
    const labels = this.#labels()
    const lost = (scope.unconfirmed ?? []).filter(({ committable }) => keptOf(committable) !== undefined)
    const reloads = lost.map(({ committable, epoch }) =>
      labelOfReload(labels.base, String(committable['label']), epoch),
    )
    const report = await sweepLabels({ ...labels, scope, reloads, abandon: (label) => this.#server.abandon(label) })
    if (this.#target.isKept) await this.#rows.sweep(scope)
    return report
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
