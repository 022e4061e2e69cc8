import { assert } from '../../../core/assert.ts'
import type { SourceTable } from '../../../core/changes.ts'
import type { CheckpointLoad, LoadRows, PreparedLoad } from '../loader/checkpoint-load.ts'

/** The columns that rows have: one load takes rows of one kind only. */
export interface RowKind {
  readonly table: SourceTable
  readonly partial: readonly string[] | undefined
}

/** Opens a load for rows of one kind. `nextNumber` numbers the loads of the table in this checkpoint. */
export type OpenSegment = (kind: RowKind, nextNumber: () => number) => CheckpointLoad

/**
 * What goes to one table in one checkpoint: one load, and a further one whenever the rows have other columns than those
 * before them. The loads are committed in their order, so a row of one of them and its successor in the next keep theirs.
 */
export class SegmentedLoad implements CheckpointLoad {
  readonly #open: OpenSegment
  readonly #segments: CheckpointLoad[] = []
  #kind: string | undefined
  #numbers = 0

  constructor(open: OpenSegment) {
    this.#open = open
  }

  write(rows: LoadRows, done: () => void): Promise<void> {
    const { table, partial } = rows
    assert(table !== undefined, 'rows name their table')
    const kind = JSON.stringify([table.columns.map(({ name }) => name), partial ?? null])
    let segment = this.#segments.at(-1)
    if (segment === undefined || kind !== this.#kind) {
      void segment?.closeLoad().catch(() => undefined)
      segment = this.#open({ table, partial }, () => this.#numbers++)
      this.#segments.push(segment)
      this.#kind = kind
    }
    return segment.write(rows, done)
  }

  async closeLoad(): Promise<void> {
    await this.#segments.at(-1)?.closeLoad()
  }

  async prepare(): Promise<PreparedLoad> {
    const prepared = await Promise.all(this.#segments.map((segment) => segment.prepare()))
    return {
      committables: prepared.flatMap(({ committables }) => committables),
      rows: prepared.reduce((sum, { rows }) => sum + rows, 0),
      bytes: prepared.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }

  async rollback(): Promise<void> {
    await Promise.all(this.#segments.map((segment) => segment.rollback()))
  }
}
