import { assert } from '../../../core/assert.ts'
import type { Batch } from '../../../core/batch.ts'
import type { CheckpointId } from '../../../core/checkpoint-types.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { Router } from '../../../core/routes.ts'
import type { CutResult, SinkWriter } from '../../../core/sink.ts'
import { LoadWriter } from '../loader/load-writer.ts'
import { SegmentedLoad, type OpenSegment } from './segmented-load.ts'
import type { TargetName } from './table-ddl.ts'

/** How loads into one target are opened, given the ticket of their checkpoint. */
export type OpenTarget = (target: TargetName, ticket: JsonObject) => OpenSegment

interface Filling {
  readonly checkpoint: CheckpointId
  readonly ticket: JsonObject
}

/** The lane's side of a sink of several tables: a writer for each target, opened by its first rows. */
export class TablesWriter implements SinkWriter {
  readonly #router: Router
  readonly #open: OpenTarget
  readonly #close: () => Promise<void>
  readonly #writers = new Map<string, LoadWriter>()
  #filling: Filling | undefined

  constructor(router: Router, open: OpenTarget, close: () => Promise<void>) {
    this.#router = router
    this.#open = open
    this.#close = close
  }

  begin(checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#filling = { checkpoint, ticket }
    for (const writer of this.#writers.values()) writer.begin(checkpoint, ticket)
  }

  write(batch: Batch): Promise<void> {
    const { table } = batch
    assert(table !== undefined, 'rows of several tables name theirs')
    const { shape, ...target } = this.#router.targetOf(table)
    return this.#writerOf(target).write(shape === table ? batch : { ...batch, table: shape })
  }

  async cut(next: Filling): Promise<CutResult> {
    this.#filling = next
    const cuts = await Promise.all([...this.#writers.values()].map((writer) => writer.cut(next)))
    const counts = { rows: 0, bytes: 0 }
    for (const cut of cuts) {
      counts.rows += cut.counts.rows
      counts.bytes += cut.counts.bytes
    }
    return { committables: cuts.flatMap(({ committables }) => committables), counts }
  }

  async rollback(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.rollback()))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.close()))
    await this.#close()
  }

  #writerOf(target: TargetName): LoadWriter {
    const id = JSON.stringify([target.database, target.table])
    const known = this.#writers.get(id)
    if (known !== undefined) return known
    const writer = new LoadWriter(
      (ticket) => new SegmentedLoad(this.#open(target, ticket)),
      async () => undefined,
    )
    assert(this.#filling !== undefined, 'a writer is begun before it is written to')
    writer.begin(this.#filling.checkpoint, this.#filling.ticket)
    this.#writers.set(id, writer)
    return writer
  }
}
