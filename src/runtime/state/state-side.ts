import { epochOfFile, filesOf, type StateByStep, type StatePart } from '../../checkpoint/kept-state.ts'
import { assert } from '../../core/assert.ts'
import type { Clock, Logger } from '../../core/context.ts'
import type { FileStore } from '../../core/file-store.ts'
import { isKeyed, type Plan } from '../../plan/plan.ts'
import { toMillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { Ledger } from '../../storage/ledger.ts'
import { storeOpener } from '../../storage/open-store.ts'
import { readSavepoints } from '../../storage/savepoints.ts'
import { stateFilesOf, statePlaceOf } from '../../storage/state-place.ts'
import { EventTimeDesk } from '../event-time/event-time-desk.ts'
import type { LaneAck } from '../messages.ts'

/** Steps whose state a checkpoint holds, and what their rows mean. */
export function stateDefinitions(plan: Plan): Record<string, string> {
  return Object.fromEntries(plan.steps.filter(isKeyed).map((step) => [step.id, step.work.definition]))
}

export interface StateSideOptions {
  readonly plan: Plan
  readonly ledger: Ledger
  readonly logger: Logger
  readonly clock: Clock
}

/**
 * The coordinator's side of what steps keep: event time of all lanes, what goes into a checkpoint, and the end of files that
 * no checkpoint names any more.
 */
export class StateSide {
  readonly #options: StateSideOptions
  readonly #definitions: Readonly<Record<string, string>>
  readonly #eventTime: EventTimeDesk
  /** Files that a checkpoint named when we last looked. */
  #named = new Set<string>()
  /** There may be files that no checkpoint ever named. */
  #isLittered = true
  #settled: ReadonlyMap<string, bigint> = new Map()
  #store: Promise<FileStore> | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(options: StateSideOptions) {
    this.#options = options
    this.#definitions = stateDefinitions(options.plan)
    this.#eventTime = new EventTimeDesk(options.plan.parallelism)
  }

  /** A step keeps something between checkpoints. */
  get isKept(): boolean {
    return Object.keys(this.#definitions).length > 0
  }

  /** A start or a rewind: what the lanes go on from. */
  begin(): StateByStep | undefined {
    const state = this.#options.ledger.lineage().newest?.state
    this.#eventTime.begin(state)
    this.#isLittered = true
    return state
  }

  /** True when windows may close with the next barrier. */
  hear(lane: number, times: Parameters<EventTimeDesk['hear']>[1]): boolean {
    return this.#eventTime.hear(lane, times)
  }

  /** Event time that a barrier carries. */
  atBarrier(): ReadonlyMap<string, bigint> {
    this.#settled = this.#eventTime.settle()
    return this.#settled
  }

  /** What a checkpoint holds. */
  combine(acks: readonly LaneAck[]): { readonly state?: StateByStep } {
    const steps = Object.entries(this.#definitions)
    if (steps.length === 0) return {}
    const state = steps.map(([step, definition]) => {
      const eventTime = this.#settled.get(step)
      const parts = acks.map((ack): StatePart => {
        const part = ack.state?.[step]
        assert(part !== undefined, `every lane says what ${step} keeps`)
        return part
      })
      const time = eventTime === undefined ? {} : { eventTime: String(eventTime) }
      return [step, { definition, ...time, parts }] as const
    })
    return { state: Object.fromEntries(state) }
  }

  /** Removes files that no checkpoint or savepoint names any more. Never rejects: what stays is found the next time. */
  collect(): Promise<void> {
    if (Object.keys(this.#definitions).length === 0) return Promise.resolve()
    this.#work = this.#work
      .then(() => this.#collect())
      .catch((thrown: unknown) => {
        this.#options.logger.debug(`removing files of kept state: ${toMillraceError(thrown).message}`)
      })
    return this.#work
  }

  /** Resolves when nothing is being removed. */
  rest(): Promise<void> {
    return this.#work
  }

  async #collect(): Promise<void> {
    const { ledger, plan } = this.#options
    const named = new Set(ledger.entries.flatMap((entry) => (entry.kind === 'checkpoint' ? filesOf(entry.state) : [])))
    const candidates = new Set([...this.#named].filter((path) => !named.has(path)))
    const isLittered = this.#isLittered
    this.#isLittered = false
    this.#named = named
    const store = await (this.#store ??= storeOpener(plan.s3)(stateFilesOf(statePlaceOf(plan))))
    if (isLittered) {
      // Files of our own epoch may belong to a checkpoint that is being prepared.
      for await (const { path } of store.list('')) {
        const epoch = epochOfFile(path)
        if (epoch !== undefined && epoch < ledger.epoch && !named.has(path)) candidates.add(path)
      }
    }
    if (candidates.size === 0) return
    for (const savepoint of await readSavepoints(statePlaceOf(plan))) {
      for (const path of filesOf(savepoint.state)) candidates.delete(path)
    }
    failpoint('gc.delete', 'before')
    for (const path of candidates) await store.remove(path)
    failpoint('gc.delete', 'after')
  }
}
