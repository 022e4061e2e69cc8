import type { SchemaChange, SourceTable } from '../../../core/changes.ts'
import type {
  AcknowledgePermit,
  CheckpointId,
  CommitOutcome,
  CommitPermit,
  Evidence,
  RunEpoch,
  SweepReport,
  SweepScope,
} from '../../../core/checkpoint-types.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../../core/sink.ts'
import type { TargetName } from './table-ddl.ts'
import type { TableKeeper } from './table-keeper.ts'

export interface TablesCoordinatorOptions {
  /** The coordinator of one target; labels are its own. */
  readonly of: (target: TargetName) => SinkCoordinator
  readonly keeper: TableKeeper
  close(): Promise<void>
}

/**
 * The coordinator's side of a sink of several tables. A committable knows its table, so it is committed as that of one;
 * what earlier runs left is looked for in every table that rows may have gone to.
 */
export class TablesCoordinator implements SinkCoordinator {
  readonly #options: TablesCoordinatorOptions
  readonly #any: SinkCoordinator

  constructor(options: TablesCoordinatorOptions) {
    this.#options = options
    this.#any = options.of({ database: '', table: '' })
  }

  begin(checkpoint: CheckpointId, epoch: RunEpoch): Promise<JsonObject> {
    return this.#any.begin(checkpoint, epoch)
  }

  combine(checkpoint: CheckpointId, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    return this.#any.combine(checkpoint, parts)
  }

  commit(permit: CommitPermit, committable: JsonObject): Promise<CommitOutcome> {
    return this.#any.commit(permit, committable)
  }

  evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    return this.#any.evidence(committables)
  }

  abort(committable: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    return this.#any.abort(committable)
  }

  async sweep(scope: SweepScope): Promise<SweepReport> {
    const aborted: string[] = []
    let found = 0
    for (const target of await this.#options.keeper.targets()) {
      const report = await this.#options.of(target).sweep(scope)
      aborted.push(...report.aborted)
      found += report.found
    }
    return { aborted, found }
  }

  async findTraces(own: RunEpoch, known: CheckpointId): Promise<readonly string[]> {
    for (const target of await this.#options.keeper.targets()) {
      const traces = await this.#options.of(target).findTraces(own, known)
      if (traces.length > 0) return traces
    }
    return []
  }

  /** Tables may come and go: which they are is no identity. */
  async fingerprint(): Promise<JsonObject> {
    return { tables: 'routes' }
  }

  openTable(table: SourceTable): Promise<void> {
    return this.#options.keeper.open(table)
  }

  applySchema(_permit: AcknowledgePermit, change: SchemaChange): Promise<'applied' | 'already'> {
    return this.#options.keeper.apply(change)
  }

  close(): Promise<void> {
    return this.#options.close()
  }
}
