import type { SplitId } from '../core/batch.ts'
import type { SourceTable } from '../core/changes.ts'
import type { AcknowledgePermit } from '../core/checkpoint-types.ts'
import type { Clock, Logger } from '../core/context.ts'
import { failpoint } from '../core/failpoints.ts'
import type { SplitAssignment, SplitEnumerator } from '../core/source.ts'
import type { Beginning, SplitState } from '../checkpoint/entries.ts'
import { goesOnAt } from '../checkpoint/restore.ts'
import type { Plan, SourceStep } from '../plan/plan.ts'
import { storeOpener } from '../storage/open-store.ts'
import { openSource, type ConnectorModules } from './connectors.ts'
import { SplitBook } from './split-book.ts'

export type BySource<T> = Record<string, T>

/** The coordinator's side of all sources: finds their splits, keeps their books. */
export class SourceSide {
  readonly #sources: ReadonlyMap<string, { readonly enumerator: SplitEnumerator; readonly book: SplitBook }>
  readonly #clock: Clock
  readonly #log: Logger
  /** Others may have waited for it. */
  #splitFinished = new AbortController()

  private constructor(
    sources: ReadonlyMap<string, { enumerator: SplitEnumerator; book: SplitBook }>,
    clock: Clock,
    log: Logger,
  ) {
    this.#sources = sources
    this.#clock = clock
    this.#log = log
  }

  static async open(plan: Plan, modules: ConnectorModules, clock: Clock, log: Logger): Promise<SourceSide> {
    const steps = plan.steps.filter((step): step is SourceStep => step.kind === 'source')
    const opened = await Promise.all(
      steps.map(async (step) => {
        const source = await openSource(modules, step.connector, step.options)
        const { name: job, baseDirectory, times } = plan
        const openStore = storeOpener(plan.s3)
        const enumerator = source.enumerator({ job, id: step.id, baseDirectory, log, clock, times, openStore })
        return [step.id, { enumerator, book: new SplitBook(plan.parallelism) }] as const
      }),
    )
    return new SourceSide(new Map(opened), clock, log)
  }

  /**
   * R7: can the sources still serve every position? Then what is new since. Returns where sources begin that the log does
   * not know yet.
   */
  async restore(lineage: Parameters<typeof goesOnAt>[0]): Promise<BySource<Beginning>> {
    failpoint('restore.seek', 'before')
    const begun = await Promise.all(
      [...this.#sources].map(async ([id, { enumerator, book }]): Promise<[string, Beginning] | undefined> => {
        const restored = goesOnAt(lineage, id, enumerator.moment)
        if (restored !== undefined) {
          book.add(restored)
          await enumerator.verify(book.unfinished())
        }
        const found = await enumerator.discover(book.known, restored === undefined, book.finished, book.ends)
        book.add(found.map((split) => ({ ...split, finished: false })))
        if (restored !== undefined) return undefined
        const { moment } = enumerator
        return [id, { ...(moment !== undefined && { moment }), splits: book.withProgress([]) }]
      }),
    )
    failpoint('restore.seek', 'after')
    return Object.fromEntries(begun.filter((one) => one !== undefined))
  }

  /** Tables of each source that reads several. */
  async tables(): Promise<ReadonlyMap<string, readonly SourceTable[]>> {
    const known = await Promise.all(
      [...this.#sources].map(async ([id, { enumerator }]) => [id, (await enumerator.tables?.()) ?? []] as const),
    )
    return new Map(known.filter(([, tables]) => tables.length > 0))
  }

  /** True when no source can find further splits. */
  get isSettled(): boolean {
    return [...this.#sources.values()].every(({ enumerator }) => enumerator.discoveryIntervalMs === undefined)
  }

  assignments(lane: number): BySource<readonly SplitAssignment[]> {
    return Object.fromEntries([...this.#sources].map(([id, { book }]) => [id, book.assignments(lane)]))
  }

  withProgress(progress: (source: string) => Parameters<SplitBook['withProgress']>[0]): BySource<SplitState[]> {
    return Object.fromEntries([...this.#sources].map(([id, { book }]) => [id, book.withProgress(progress(id))]))
  }

  settle(states: Readonly<BySource<readonly SplitState[]>>): void {
    let isSplitFinished = false
    for (const [id, { book }] of this.#sources) {
      const before = book.finished.size
      book.settle(states[id] ?? [])
      isSplitFinished ||= book.finished.size > before
    }
    if (!isSplitFinished) return
    this.#splitFinished.abort()
    this.#splitFinished = new AbortController()
  }

  lanesOf(source: string): readonly { readonly split: SplitId; readonly lane: number }[] {
    return this.#sources.get(source)?.book.lanes ?? []
  }

  /** Gives a split to another lane, which goes on at its last published position. */
  move(source: string, split: SplitId, to: number): readonly SplitAssignment[] {
    return this.#sources.get(source)?.book.move(split, to) ?? []
  }

  /** Looks for new splits until the signal, also as soon as one is finished; what is found is handed on per lane. */
  async watch(
    found: (source: string, byLane: readonly (readonly SplitAssignment[])[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    await Promise.all(
      [...this.#sources].map(async ([id, { enumerator, book }]) => {
        const pause = enumerator.discoveryIntervalMs
        while (pause !== undefined && !signal.aborted) {
          await this.#clock.sleep(pause, AbortSignal.any([signal, this.#splitFinished.signal]))
          if (signal.aborted) return
          try {
            const splits = await enumerator.discover(book.known, false, book.finished, book.ends)
            if (splits.length > 0) found(id, book.add(splits.map((split) => ({ ...split, finished: false }))))
          } catch (error) {
            this.#log.warn(`looking for new splits of ${id}: ${(error as Error).message}`)
          }
        }
      }),
    )
  }

  /** Records behind the head, per source, given how far its splits are; a source that cannot tell is left out. */
  async lag(live: (source: string) => Parameters<SplitBook['withProgress']>[0]): Promise<BySource<number>> {
    const lags = await Promise.all(
      [...this.#sources].map(async ([id, { enumerator, book }]) => {
        const open = book.withProgress(live(id)).filter((state) => !state.finished)
        const positions = open.map((state) => ({ split: state.split, next: state.at }))
        const bySplit = await enumerator.lag(positions).catch(() => new Map<string, number>())
        return [id, bySplit.size === 0 ? undefined : [...bySplit.values()].reduce((a, b) => a + b, 0)] as const
      }),
    )
    return Object.fromEntries(lags.filter((entry): entry is [string, number] => entry[1] !== undefined))
  }

  /** Seconds until a source forgets what the last published checkpoint goes on with; sources that cannot tell are left out. */
  async headroom(): Promise<BySource<number>> {
    const found = await Promise.all(
      [...this.#sources].map(async ([id, { enumerator, book }]) => {
        const positions = book.unfinished().map(({ split, at }) => ({ split, next: at }))
        return [id, await enumerator.headroomSeconds?.(positions).catch(() => undefined)] as const
      }),
    )
    return Object.fromEntries(found.filter((entry): entry is [string, number] => entry[1] !== undefined))
  }

  async acknowledge(states: Readonly<BySource<readonly SplitState[]>>, permit: AcknowledgePermit): Promise<void> {
    failpoint('ack.upstream', 'before')
    await Promise.all(
      [...this.#sources].map(([id, { enumerator }]) =>
        enumerator.acknowledge(
          (states[id] ?? []).map((state) => ({ split: state.split, next: state.at })),
          permit,
        ),
      ),
    )
    failpoint('ack.upstream', 'after')
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#sources.values()].map(({ enumerator }) => enumerator.close()))
  }
}
