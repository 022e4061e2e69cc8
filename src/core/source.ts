import type { Item, SplitId, SplitPosition } from './batch.ts'
import type { SourceTable } from './changes.ts'
import type { AcknowledgePermit, Finding } from './checkpoint-types.ts'
import type { JsonObject } from './json.ts'
import type { LaneContext, PreflightContext, SourceContext } from './context.ts'

/** A unit of reading that carries its own position: a partition, a shard, a file. */
export interface SplitAssignment {
  readonly split: SplitId
  /** What the reader needs to open the split, as the enumerator found it. */
  readonly spec: JsonObject
  /** The next record to read. */
  readonly at: JsonObject
  /** The first record that is not read any more; absent: the split has no end. */
  readonly until?: JsonObject
  /** Each record's place will be asked for: bodies of bytes come with `ends` and offsets, whatever that costs. */
  readonly isTraced?: boolean
}

/** The reading side of a connector, made from checked options. Called on the coordinator and, for readers, in lanes. */
export interface Source {
  /** Reachability, rights, retention against `maxDowntime`. Changes nothing. */
  check(context: PreflightContext): Promise<readonly Finding[]>
  /** Coordinator side; one per job run. */
  enumerator(context: SourceContext): SplitEnumerator
  /** Lane side; one per lane. */
  reader(context: LaneContext): SplitReader
}

/** Finds splits. Lives on the coordinator, so it must not do heavy work. */
export interface SplitEnumerator {
  /** Pause between discoveries in milliseconds; `undefined` when the first discovery finds everything. */
  readonly discoveryIntervalMs: number | undefined

  /**
   * Names the moment that the first start resolves, such as `latest`: where it was is kept, as long as it is called the
   * same. Absent where the source begins at its beginning, which is looked for again until something is published.
   */
  readonly moment?: string | undefined

  /**
   * Called before anything is read after a restore: can the source still serve every position? Throws POSITION_LOST or
   * POSITION_AHEAD with the ranges. There is no fallback position.
   */
  verify(restored: readonly SplitAssignment[]): Promise<void>

  /**
   * All splits that exist now and are not in `known`. On the very first start of a source (`first`), splits begin where
   * the options say; later ones begin at their beginning, whatever the options say. A split that has to wait for others
   * is left out until those are in `finished`: read to their end, and that is published. `ends` has the final position of
   * each of those, as its `split-end` told it.
   */
  discover(
    known: ReadonlySet<SplitId>,
    first: boolean,
    finished?: ReadonlySet<SplitId>,
    ends?: ReadonlyMap<SplitId, JsonObject>,
  ): Promise<readonly SplitAssignment[]>

  /**
   * Sources of several tables: those that exist now and will be read, in the shape that their next rows have. Asked at
   * every start, before anything is read, so that sinks can make them. Tables that come later are told by the readers, as
   * a change of the kind `create` before their first row.
   */
  tables?(): Promise<readonly SourceTable[]>

  /** Records behind the head of the source per split, for lag metrics; missing where nobody can tell. */
  lag(positions: readonly SplitPosition[]): Promise<ReadonlyMap<SplitId, number>>

  /**
   * Seconds until the source forgets the first record behind one of these positions; `undefined` where it forgets
   * nothing by time, or nothing lies behind them. Missing where nobody can tell.
   */
  headroomSeconds?(positions: readonly SplitPosition[]): Promise<number | undefined>

  /** Tells the source that it may forget what lies before these positions. Informational sources do nothing. */
  acknowledge(positions: readonly SplitPosition[], permit: AcknowledgePermit): Promise<void>

  close(): Promise<void>
}

/** Reads splits in a lane. Never reads ahead without bound: it is polled, and holds at most its budget. */
export interface SplitReader {
  /** Replaces all assignments. Called before the first poll and at a rewind; buffered items are thrown away. */
  assign(splits: readonly SplitAssignment[]): void

  /** Adds splits found later. Called between polls. */
  add(splits: readonly SplitAssignment[]): void

  /**
   * The next items, in order within each split. Resolves as soon as there is something and within about 20 ms of idle
   * waiting with `[]`. When `signal` is aborted it resolves with `[]` and has lost nothing. After the last item of a
   * bounded split comes its `split-end`.
   */
  poll(signal: AbortSignal): Promise<readonly Item[]>

  close(): Promise<void>
}
