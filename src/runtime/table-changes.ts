import type { SourceTable } from '../core/changes.ts'
import type { AcknowledgePermit } from '../core/checkpoint-types.ts'
import type { Logger } from '../core/context.ts'
import type { SinkCoordinator } from '../core/sink.ts'
import type { Plan } from '../plan/plan.ts'
import type { FromLane } from './messages.ts'

/** A change that a source of a lane waits with. */
type Waiting = { readonly lane: number } & Pick<
  FromLane & { kind: 'change' },
  'attempt' | 'source' | 'checkpoint' | 'change'
>

export interface TableChangesOptions {
  readonly plan: Plan
  readonly sinks: ReadonlyMap<string, SinkCoordinator>
  readonly logger: Logger
  /** The source may go on behind its change. */
  passed(waiting: Waiting): void
  failed(error: unknown): void
}

/**
 * Changes of shape, between two checkpoints: the source that met one waits, the checkpoint that holds everything before it
 * is cut, published, committed and confirmed, the sinks follow, and the source goes on. Checkpoints of other sources go
 * on meanwhile: a server may wait with its ALTER until transactions that were begun before it have ended. A crash in
 * between repeats the change, since no position behind it was published; to sinks a repeated change is success.
 */
export class TableChanges {
  readonly #options: TableChangesOptions
  #waiting: readonly Waiting[] = []
  #newest: AcknowledgePermit | undefined
  /** Sinks follow one change after the other. */
  #work: Promise<void> = Promise.resolve()

  constructor(options: TableChangesOptions) {
    this.#options = options
  }

  /** True when a checkpoint has to be cut before the sinks may follow. */
  ask(waiting: Waiting): boolean {
    const isNew = waiting.change.events.every(({ kind }) => kind === 'create')
    if (isNew || (this.#newest !== undefined && this.#newest.checkpoint >= waiting.checkpoint)) {
      this.#follow(waiting, this.#newest)
      return false
    }
    this.#waiting = [...this.#waiting, waiting]
    return true
  }

  /** Returns true when there is one that has to wait for another checkpoint. */
  confirmed(permit: AcknowledgePermit): boolean {
    this.#newest = permit
    const ready = this.#waiting.filter(({ checkpoint }) => checkpoint <= permit.checkpoint)
    this.#waiting = this.#waiting.filter(({ checkpoint }) => checkpoint > permit.checkpoint)
    for (const waiting of ready) this.#follow(waiting, permit)
    return this.#waiting.length > 0
  }

  /** Lanes read again: they meet their changes again. */
  rewound(): void {
    this.#waiting = []
  }

  #follow(waiting: Waiting, permit: AcknowledgePermit | undefined): void {
    this.#work = this.#work.then(() => this.#apply(waiting, permit)).catch(this.#options.failed)
  }

  async #apply(waiting: Waiting, permit: AcknowledgePermit | undefined): Promise<void> {
    const { plan, sinks, logger, passed } = this.#options
    const { change, source } = waiting
    const rest = change.events.filter(({ kind }) => kind !== 'create')
    for (const id of sinksOf(plan, source)) {
      const sink = sinks.get(id)
      if (rest.length < change.events.length) await sink?.openTable?.(change.table)
      if (rest.length === 0 || permit === undefined) continue
      const outcome = await sink?.applySchema?.(permit, { ...change, events: rest })
      if (outcome === 'applied') {
        logger.info(`${id} followed ${change.table.id}: ${rest.map(({ kind }) => kind).join(', ')}`)
      }
    }
    passed(waiting)
  }
}

/** Makes sure, before anything is read, that the sinks have a place for every table of their sources. */
export async function openTables(
  plan: Plan,
  sinks: ReadonlyMap<string, SinkCoordinator>,
  tables: ReadonlyMap<string, readonly SourceTable[]>,
): Promise<void> {
  for (const [source, known] of tables) {
    for (const id of sinksOf(plan, source)) {
      const sink = sinks.get(id)
      for (const table of known) await sink?.openTable?.(table)
    }
  }
}

/** Sinks of several tables read their source directly. */
function sinksOf(plan: Plan, source: string): string[] {
  const step = plan.steps.find(({ id, kind }) => id === source && kind === 'source')
  return step?.kind === 'source' ? step.outputs.map(({ to }) => to) : []
}
