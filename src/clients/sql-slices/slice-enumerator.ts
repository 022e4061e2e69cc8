import type { SplitId, SplitPosition } from '../../core/batch.ts'
import type { SourceContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment, SplitEnumerator } from '../../core/source.ts'
import { cutFromJson, cutToJson, positionFromJson, type Cut } from './cut.ts'
import type { SliceDialect, SliceSession } from './dialect.ts'
import { evenCuts } from './even-cuts.ts'
import { greatestKey, Horizon, leastKey } from './horizon.ts'
import { lateRowsOf, type SliceOptions } from './options.ts'
import { SessionPool } from './session-pool.ts'
import { shapeOf } from './shape-of.ts'
import { rangeId, rangesOf, restId, specFromJson, specToJson, type SliceSpec } from './slice-split.ts'
import { wantedSplits, type WantedSplit } from './split-list.ts'
import type { TableShape } from './table-shape.ts'

const DISCOVERY_MS = 10_000

/**
 * Finds splits. What a table holds at the first start is read in ranges, in parallel; when all of them are read and
 * published, one split goes on behind them, so that a row and its later version never overtake each other.
 */
export class SliceEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs: number | undefined
  readonly moment: string | undefined
  readonly #options: SliceOptions
  readonly #dialect: SliceDialect
  readonly #context: SourceContext
  readonly #pool: SessionPool
  readonly #closing = new AbortController()

  constructor(options: SliceOptions, dialect: SliceDialect, context: SourceContext) {
    this.#options = options
    this.#dialect = dialect
    this.#context = context
    this.#pool = new SessionPool(dialect, 1)
    this.discoveryIntervalMs = this.#isFollowing ? (options.splitsFrom?.interval ?? DISCOVERY_MS) : undefined
    this.moment = options.start === 'latest' ? 'latest' : undefined
  }

  async verify(restored: readonly SplitAssignment[]): Promise<void> {
    if (restored.length === 0) return
    await this.#pool.use(async (session) => {
      const shapes = new Map<string, TableShape>()
      for (const { split, spec, at } of restored) {
        const { table, key, asOf } = specFromJson(spec)
        positionFromJson(at)
        const shape = shapes.get(table) ?? (await this.#shape(session, table))
        shapes.set(table, shape)
        const now = shape.key.map(({ name }) => name)
        if (now.join() !== key.join()) throw otherKey(split, table, key, now)
        if (asOf !== undefined) await this.#dialect.verifyPresent(session, table, asOf)
      }
    })
  }

  async discover(
    known: ReadonlySet<SplitId>,
    first: boolean,
    finished: ReadonlySet<SplitId> = new Set(),
    ends: ReadonlyMap<SplitId, JsonObject> = new Map(),
  ): Promise<readonly SplitAssignment[]> {
    if (!first && !this.#isFollowing) return []
    return await this.#pool.use(async (session) => {
      const { id } = this.#context
      const found: SplitAssignment[] = []
      for (const wanted of await wantedSplits(session, this.#dialect, { id, ...this.#options })) {
        if (known.has(restId(wanted.name))) continue
        const splits = first
          ? await this.#begin(session, wanted)
          : await this.#continue(session, wanted, { known, finished, ends })
        found.push(...splits.filter(({ split }) => !known.has(split)))
      }
      return found
    })
  }

  /** By the numbers of the rows, of which some were never given; nobody can tell where the column holds none. */
  async lag(positions: readonly SplitPosition[]): Promise<ReadonlyMap<SplitId, number>> {
    const { table } = this.#options
    if (table === undefined || this.#options.splitsFrom !== undefined) return new Map()
    return await this.#pool.use(async (session) => {
      const shape = await this.#shape(session, table)
      if (shape.key[0]?.kind !== 'integer') return new Map<SplitId, number>()
      const last = BigInt((await greatestKey(session, this.#dialect, shape))?.key[0] ?? 0)
      return new Map(
        positions
          .filter(({ split }) => split === restId(table))
          .map(({ split, next }) => [split, behind(cutFromJson(next), last)] as const),
      )
    })
  }

  /** Nothing is kept or forgotten for it. */
  async acknowledge(): Promise<void> {}

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#pool.close()
  }

  get #isFollowing(): boolean {
    return this.#options.end === 'never'
  }

  /** The first start: the ranges of what there is, or what follows at once. */
  async #begin(session: SliceSession, wanted: WantedSplit): Promise<SplitAssignment[]> {
    const shape = await this.#shape(session, wanted.table)
    const asOf = this.#isFollowing ? undefined : await this.#dialect.present(session)
    const end = await this.#end(session, shape, asOf)
    const { start } = this.#options
    if (start === 'latest') return this.#isFollowing ? [this.#rest(wanted, shape, end)] : []
    const begin: Cut | undefined = start === 'earliest' ? undefined : { key: start.after, side: 'after' }
    if (end === undefined) return this.#isFollowing ? [this.#rest(wanted, shape, begin)] : []
    const inner = await this.#innerCuts(session, shape, { begin, end, asOf })
    if (inner.length === 0 && this.#isFollowing) return [this.#rest(wanted, shape, begin)]
    const cuts = [begin, ...inner, end]
    return cuts.slice(1).map((until, index) => ({
      split: rangeId(wanted.name, index, cuts.length - 1),
      spec: specToJson({ ...this.#spec(wanted, shape), asOf, isFollowing: false }),
      at: cutToJson(cuts[index]),
      until: cutToJson(until),
    }))
  }

  /** Later: what follows the ranges, when they are read; a name that is new begins at its beginning. */
  async #continue(
    session: SliceSession,
    wanted: WantedSplit,
    {
      known,
      finished,
      ends,
    }: { known: ReadonlySet<SplitId>; finished: ReadonlySet<SplitId>; ends: ReadonlyMap<SplitId, JsonObject> },
  ): Promise<SplitAssignment[]> {
    const { found, count } = rangesOf(wanted.name, known)
    if (found.some((split) => !finished.has(split))) return []
    const last = count === 0 ? undefined : ends.get(rangeId(wanted.name, count - 1, count))
    if (count > 0 && last === undefined) return []
    const shape = await this.#shape(session, wanted.table)
    return [this.#rest(wanted, shape, last === undefined ? undefined : cutFromJson(last))]
  }

  #rest(wanted: WantedSplit, shape: TableShape, from: Cut | undefined): SplitAssignment {
    return { split: restId(wanted.name), spec: specToJson(this.#spec(wanted, shape)), at: cutToJson(from) }
  }

  #spec({ name, table, where }: WantedSplit, shape: TableShape): SliceSpec {
    return { name, table, where, key: shape.key.map((column) => column.name), asOf: undefined, isFollowing: true }
  }

  /** Where reading of the first start ends: what is behind it may still be in the making. */
  async #end(session: SliceSession, shape: TableShape, asOf: string | undefined): Promise<Cut | undefined> {
    const { table, key } = shape
    if (!this.#isFollowing) return await greatestKey(session, this.#dialect, { table, key, asOf })
    const { id, clock, log } = this.#context
    const horizon = new Horizon(this.#dialect, shape, {
      id,
      clock,
      log,
      lateRows: lateRowsOf(this.#options),
      zone: this.#options.timeZone,
    })
    return await horizon.find(session, this.#closing.signal)
  }

  async #innerCuts(
    session: SliceSession,
    { table, key, rowsEstimate }: TableShape,
    { begin, end, asOf }: { readonly begin: Cut | undefined; readonly end: Cut; readonly asOf: string | undefined },
  ): Promise<Cut[]> {
    const { initialSlices, pageRows } = this.#options
    const [column] = key
    const isSmall = rowsEstimate < 2 * pageRows
    const least = begin ?? (await leastKey(session, this.#dialect, { table, key, asOf }))
    if (column === undefined || initialSlices < 2 || isSmall || least === undefined) return []
    return evenCuts(column, least.key[0] ?? '', end.key[0] ?? '', initialSlices)
  }

  async #shape(session: SliceSession, table: string): Promise<TableShape> {
    return await shapeOf(this.#dialect, session, this.#options, table)
  }
}

function behind(cut: Cut | undefined, last: bigint): number {
  const at = BigInt(cut?.key[0] ?? 0)
  return last > at ? Number(last - at) : 0
}

function otherKey(split: string, table: string, key: readonly string[], now: readonly string[]): MillraceError {
  const message =
    `the position of ${split} is a value of ${key.join(', ')}, and ${table} is sliced by ${now.join(', ')} now: ` +
    'were `column` or the primary key changed? Put them back, or begin anew under another id of the source'
  return new MillraceError(message, { code: 'POSITION_LOST', detail: { split, table } })
}
