import type { Item } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import type { SliceDialect } from './dialect.ts'
import { FollowedTable } from './followed-table.ts'
import { Horizon } from './horizon.ts'
import { ItemQueue } from './item-queue.ts'
import { LateRowAudit } from './late-row-audit.ts'
import { LinePool } from './line-target.ts'
import { isSameCut, positionFromJson, type Cut } from './cut.ts'
import { SessionPool } from './session-pool.ts'
import { lateRowsOf, type SliceOptions } from './options.ts'
import { SliceFeed, type FeedSettings } from './slice-feed.ts'
import { SliceQuery } from './slice-query.ts'
import { specFromJson } from './slice-split.ts'
import { wantedSplits, type WantedSplit } from './split-list.ts'
import { assertSameShape, shapeOf } from './shape-of.ts'

/** How long an idle poll waits. */
const IDLE_MS = 20
/** Failures of the connection, one behind the other, before the job is told. */
const FAILURES_MAX = 5
const BACKOFF_MS = 200
/** Connections that wait for the ends of tables; pages have their own. */
const HORIZONS_MAX = 2

/** Reads slices in one lane: pages are fetched ahead over a few connections, into a queue that is bounded in bytes. */
export class SliceReader implements SplitReader {
  readonly #options: SliceOptions
  readonly #dialect: SliceDialect
  readonly #context: LaneContext
  readonly #settings: FeedSettings
  readonly #pages: SessionPool
  readonly #horizons: SessionPool
  readonly #tables = new Map<string, Promise<FollowedTable>>()
  readonly #queue: ItemQueue
  #generation = new AbortController()
  #tasks = new Set<Promise<void>>()
  #failure: MillraceError | undefined
  #list: Promise<ReadonlyMap<string, WantedSplit>> | undefined
  #forgetList: () => void = () => undefined

  constructor(options: SliceOptions, dialect: SliceDialect, context: LaneContext) {
    this.#options = options
    this.#dialect = dialect
    this.#context = context
    this.#pages = new SessionPool(dialect, options.connections)
    this.#horizons = new SessionPool(dialect, HORIZONS_MAX)
    this.#queue = new ItemQueue(options.readAhead)
    const { clock } = context
    this.#settings = {
      dialect,
      pool: new LinePool(),
      pageRows: options.pageRows,
      separator: context.format.kind === 'bytes' ? context.format.separator : 0x0a,
      emit: (batch) => this.#queue.add(batch),
      audit: ({ spec, at }) => {
        if (options.auditAfter === 'never' || !specFromJson(spec).isFollowing) return undefined
        return new LateRowAudit(options.auditAfter, positionFromJson(at).windows, clock.now())
      },
      now: () => clock.now(),
    }
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#generation.abort()
    this.#generation = new AbortController()
    this.#queue.clear()
    this.#failure = undefined
    this.#forgetList()
    this.#list = undefined
    this.add(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    const { signal } = this.#generation
    for (const split of splits) {
      const task = this.#read(split, signal).catch((error: unknown) => {
        if (!signal.aborted) this.#failure ??= toMillraceError(error)
      })
      this.#tasks.add(task)
      void task.finally(() => this.#tasks.delete(task))
    }
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    if (signal.aborted) return []
    if (this.#queue.isEmpty && this.#failure === undefined) await this.#arrival(signal)
    if (signal.aborted) return []
    const item = this.#queue.take()
    // What was read before it is whole.
    if (item === undefined && this.#failure !== undefined) throw this.#failure
    return item === undefined ? [] : [item]
  }

  async close(): Promise<void> {
    this.#generation.abort()
    this.#queue.clear()
    await Promise.all(this.#tasks)
    this.#forgetList()
    await Promise.all([this.#pages.close(), this.#horizons.close()])
  }

  async #arrival(signal: AbortSignal): Promise<void> {
    const arrived = new AbortController()
    this.#queue.onArrival(() => arrived.abort())
    await this.#context.clock.sleep(IDLE_MS, AbortSignal.any([signal, arrived.signal])).catch(() => undefined)
    this.#queue.onArrival(undefined)
  }

  /** Reads one split until its end, or for ever. */
  async #read(assignment: SplitAssignment, signal: AbortSignal): Promise<void> {
    const feed = await this.#patiently(signal, async () => await this.#open(assignment))
    for (;;) {
      await this.#queue.hasRoom()
      signal.throwIfAborted()
      const isDone = await this.#patiently(signal, async () => await this.#step(feed, signal))
      signal.throwIfAborted()
      if (isDone && feed.until !== undefined) {
        await this.#end(feed, assignment)
        return
      }
      if (isDone) await this.#context.clock.sleep(this.#options.interval, signal)
    }
  }

  async #end(feed: SliceFeed, { until }: SplitAssignment): Promise<void> {
    await this.#queue.add({ kind: 'split-end', split: feed.split, at: until ?? feed.position })
  }

  /** One page, or a look at what has come. True when there is nothing more now. */
  async #step(feed: SliceFeed, signal: AbortSignal): Promise<boolean> {
    // A range is read to its end as it was found.
    const isListed = this.#options.splitsFrom !== undefined && feed.until === undefined
    if (isListed && !(await this.#isWanted(feed))) return true
    if (feed.isAuditDue) await this.#audit(feed)
    const to = feed.until ?? (await (await this.#tableOf(feed.spec.table)).end(signal))
    if (to === undefined || isReached(feed, to)) return true
    return await this.#pages.use(async (session) => await feed.readPage(session, to, signal))
  }

  async #open(assignment: SplitAssignment): Promise<SliceFeed> {
    const spec = specFromJson(assignment.spec)
    const { shape } = await this.#tableOf(spec.table)
    const query = new SliceQuery(this.#dialect, shape, spec, this.#settings.separator)
    return new SliceFeed(assignment, query, this.#settings)
  }

  #tableOf(table: string): Promise<FollowedTable> {
    const known = this.#tables.get(table)
    if (known !== undefined) return known
    const opened = this.#openTable(table)
    this.#tables.set(table, opened)
    opened.catch(() => this.#tables.delete(table))
    return opened
  }

  async #openTable(table: string): Promise<FollowedTable> {
    const shape = await this.#pages.use(async (session) => await shapeOf(this.#dialect, session, this.#options, table))
    assertSameShape(shape, this.#context.schema, this.#context.id)
    const { id, clock, log } = this.#context
    const horizon = new Horizon(this.#dialect, shape, {
      id,
      clock,
      log,
      lateRows: lateRowsOf(this.#options),
      zone: this.#options.timeZone,
    })
    return new FollowedTable(shape, horizon, this.#horizons)
  }

  async #audit(feed: SliceFeed): Promise<void> {
    const late = await this.#pages.use(async (session) => await feed.auditDue(session))
    if (late === 0) return
    const message =
      `${this.#context.id}: ${late} rows of ${feed.spec.table} came below what was read already, and are missing behind it: ` +
      'their values were taken long before they were committed, or were changed'
    if (this.#options.lateRows === 'warn') this.#context.log.warn(message)
    else throw new MillraceError(message, { code: 'ACCOUNTING', detail: { split: feed.split, rows: late } })
  }

  /** Whether the list has the split now; what it says of it is taken over. */
  async #isWanted(feed: SliceFeed): Promise<boolean> {
    const list = (this.#list ??= this.#readList())
    list.catch(() => (this.#list = undefined))
    const wanted = (await list).get(feed.spec.name)
    if (wanted === undefined) return false
    const { shape } = await this.#tableOf(wanted.table)
    if (wanted.table !== feed.spec.table || wanted.where !== feed.spec.where) {
      const spec = { ...feed.spec, table: wanted.table, where: wanted.where }
      feed.read(spec, new SliceQuery(this.#dialect, shape, spec, this.#settings.separator))
    }
    return true
  }

  async #readList(): Promise<ReadonlyMap<string, WantedSplit>> {
    const { id, clock } = this.#context
    const splits = await this.#pages.use(
      async (session) => await wantedSplits(session, this.#dialect, { id, ...this.#options }),
    )
    this.#forgetList = clock.after(this.#options.splitsFrom?.interval ?? 0, () => (this.#list = undefined))
    return new Map(splits.map((split) => [split.name, split]))
  }

  /** Tries again what a connection broke off, a few times and a little later each time. */
  async #patiently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await work()
      } catch (thrown) {
        signal.throwIfAborted()
        const error = toMillraceError(thrown)
        if (error.retry !== 'retry') throw error
        if (failures === FAILURES_MAX) throw givenUp(error, this.#context.id)
        this.#context.log.warn(`reading ${this.#context.id}: ${error.message}`)
        await this.#context.clock.sleep(BACKOFF_MS * 2 ** failures, signal)
      }
    }
  }
}

/** The job goes on from its last checkpoint: a rewind opens everything anew. */
function givenUp({ message, code, detail }: MillraceError, id: string): MillraceError {
  const cause = `reading ${id}, after ${FAILURES_MAX} tries: ${message}`
  return new MillraceError(cause, { code, retry: 'restart', detail })
}

function isReached({ reached }: SliceFeed, to: Cut): boolean {
  return reached !== undefined && isSameCut(reached, to)
}
