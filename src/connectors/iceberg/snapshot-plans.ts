import type { Clock, Logger } from '../../core/context.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import {
  dealPieces,
  planAppend,
  planChanges,
  planScan,
  snapshotsAfter,
  type ScanTask,
  type Snapshot,
  type StripePlan,
  type TableMetadata,
  type TableView,
  type Where,
} from '../../clients/iceberg/index.ts'
import type { IcebergTable, TablePointer } from './open-table.ts'
import type { IcebergSourceOptions } from './options.ts'
import { chosenSnapshot, whereOf } from './read-schema.ts'

/** Plans that are kept: the stripes of a lane stand in the same snapshot or in neighbouring ones. */
const KEPT_PLANS = 4

export interface SnapshotRows {
  readonly snapshot: string
  readonly rows: 'all' | 'added'
}

/** What has to be read of which snapshot, in which order. One for the coordinator and one in each lane; all say the same. */
export class SnapshotPlans {
  readonly #pointer: TablePointer
  readonly #options: IcebergSourceOptions
  readonly #clock: Pick<Clock, 'now'>
  readonly #log: Pick<Logger, 'warn'>
  readonly #plans = new Map<string, Promise<StripePlan>>()
  #table: Promise<IcebergTable> | undefined
  #lookedAt = 0
  #where: Where | undefined

  constructor(
    pointer: TablePointer,
    options: IcebergSourceOptions,
    { clock, log }: { readonly clock: Pick<Clock, 'now'>; readonly log: Pick<Logger, 'warn'> },
  ) {
    this.#pointer = pointer
    this.#options = options
    this.#clock = clock
    this.#log = log
  }

  /** The table as of the last look. */
  table(): Promise<IcebergTable> {
    if (this.#table === undefined) {
      this.#table = this.#look()
      this.#table.catch(() => (this.#table = undefined))
    }
    return this.#table
  }

  /** Looks again when the last look is an interval ago. A catalog that is away for a while is asked later again. */
  async recent(): Promise<IcebergTable> {
    const last = await this.table()
    if (this.#clock.now() - this.#lookedAt < this.#options.discoveryInterval) return last
    try {
      const table = await this.#look()
      this.#table = Promise.resolve(table)
      return table
    } catch (thrown) {
      const error = toMillraceError(thrown)
      if (error.code !== 'UNAVAILABLE') throw error
      this.#log.warn(`looking for new snapshots: ${error.message}`)
      return last
    }
  }

  /**
   * The pieces of a snapshot for so many stripes.
   *
   * @throws MillraceError `POSITION_LOST` when the snapshot is gone, `SCHEMA` when it changes rows and must not.
   */
  plan(wanted: SnapshotRows, stripes: number): Promise<StripePlan> {
    const key = `${wanted.snapshot} ${wanted.rows} ${stripes}`
    const known = this.#plans.get(key)
    if (known !== undefined) return known
    const making = this.#make(wanted, stripes)
    this.#plans.set(key, making)
    making.catch(() => this.#plans.delete(key))
    const [oldest] = this.#plans.keys()
    if (this.#plans.size > KEPT_PLANS && oldest !== undefined) this.#plans.delete(oldest)
    return making
  }

  /**
   * The snapshot that follows this one on the branch, `undefined` while there is none. Looks at the table at most once
   * in each interval.
   *
   * @throws MillraceError `POSITION_LOST` when the branch does not lead on from there.
   */
  async following(after: string | null): Promise<Snapshot | undefined> {
    const known = snapshotsBehind((await this.table()).metadata, this.#options, after)[0]
    return known ?? snapshotsBehind((await this.recent()).metadata, this.#options, after)[0]
  }

  async #look(): Promise<IcebergTable> {
    this.#lookedAt = this.#clock.now()
    const table = await this.#pointer.look()
    // Bound once: a column that is renamed while we run stays the same column.
    this.#where ??= whereOf(this.#options, table.metadata)
    return table
  }

  async #make({ snapshot: id, rows }: SnapshotRows, stripes: number): Promise<StripePlan> {
    const { metadata, readFile } = await this.table()
    const view: TableView = { metadata, read: readFile, where: this.#where }
    const snapshot = metadata.snapshots.get(id)
    if (snapshot === undefined) throw snapshotGone(metadata, id)
    const tasks = rows === 'all' ? await planScan(view, snapshot) : await this.#planAdded(view, snapshot)
    return dealPieces(tasks, stripes, rows === 'all' ? 0 : snapshot.sequenceNumber)
  }

  async #planAdded(view: TableView, snapshot: Snapshot): Promise<readonly ScanTask[]> {
    if (snapshot.operation === 'append') return await planAppend(view, snapshot)
    // Compaction writes the same rows into other files.
    if (snapshot.operation === 'replace') return []
    if (this.#options.changes === 'fail') throw changesRows(view.metadata, snapshot)
    const parent = snapshot.parentId === undefined ? undefined : view.metadata.snapshots.get(snapshot.parentId)
    if (parent === undefined && snapshot.parentId !== undefined) throw snapshotGone(view.metadata, snapshot.parentId)
    return await planChanges(view, snapshot, parent)
  }
}

/** Snapshots of the followed branch that come after this one, the oldest first. */
export function snapshotsBehind(
  metadata: TableMetadata,
  options: IcebergSourceOptions,
  after: string | null,
): readonly Snapshot[] {
  const head = chosenSnapshot(options, metadata)
  if (head === undefined) {
    if (after === null) return []
    throw lost(metadata, after, 'the branch has no snapshot any more')
  }
  const chain = snapshotsAfter(metadata, head, after ?? undefined)
  if ('snapshots' in chain) return chain.snapshots
  throw lost(metadata, after, chain.broken)
}

export function snapshotGone(metadata: TableMetadata, id: string): MillraceError {
  return lost(metadata, id, `snapshot ${id} has expired`)
}

export function lost({ location }: TableMetadata, after: string | null, why: string): MillraceError {
  return new MillraceError(
    `reading on in ${location} after snapshot ${after ?? '(none)'}: ${why}; decide where to go on, and keep snapshots longer`,
    { code: 'POSITION_LOST', detail: { table: location, snapshot: after, reason: why } },
  )
}

function changesRows({ location }: TableMetadata, { id, operation }: Snapshot): MillraceError {
  return new MillraceError(
    `following ${location}: snapshot ${id} (${operation ?? 'of unknown kind'}) changes or removes rows that were read ` +
      'before; set `changes: changes` to read changes too',
    { code: 'SCHEMA', detail: { table: location, snapshot: id, operation } },
  )
}
