import { assert } from '../../../core/assert.ts'
import type { Batch } from '../../../core/batch.ts'
import type { CheckpointId } from '../../../core/checkpoint-types.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { CutResult, SinkWriter } from '../../../core/sink.ts'
import type { CheckpointLoad } from './checkpoint-load.ts'

/** A request without rows for so long is ended: servers drop idle loads. */
const IDLE_MS = 10_000

/** Opens the load of a checkpoint from its ticket. Nothing is sent before its first row. */
export type OpenCheckpointLoad = (ticket: JsonObject) => CheckpointLoad

/**
 * The lane's side of a stream-load sink. While one checkpoint's load is being prepared the next one is already open, so
 * the barrier costs no more than ending a request body.
 */
export class LoadWriter implements SinkWriter {
  readonly #open: OpenCheckpointLoad
  readonly #close: () => Promise<void>
  readonly #preparing = new Set<CheckpointLoad>()
  #current: CheckpointLoad | undefined
  #idle: NodeJS.Timeout | undefined

  constructor(open: OpenCheckpointLoad, close: () => Promise<void>) {
    this.#open = open
    this.#close = close
  }

  begin(_checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#current = this.#open(ticket)
  }

  async write(batch: Batch): Promise<void> {
    const { body, rows, table, partial } = batch
    assert(this.#current !== undefined, 'a writer is begun before it is written to')
    assert(body.kind === 'bytes', 'a stream load is given bytes')
    clearTimeout(this.#idle)
    const load = this.#current
    const kind = { ...(table && { table }), ...(partial && { partial }) }
    await load.write({ buffer: body.buffer, length: body.length, rows, ...kind }, () => batch.release())
    this.#idle = setTimeout(() => void load.closeLoad().catch(() => undefined), IDLE_MS)
  }

  async cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult> {
    const load = this.#current
    assert(load !== undefined, 'a writer is begun before it is cut')
    clearTimeout(this.#idle)
    this.begin(next.checkpoint, next.ticket)
    this.#preparing.add(load)
    failpoint('sink.flush', 'before')
    // One that fails stays: its answer may be lost, and a rollback has to look.
    const prepared = await load.prepare()
    this.#preparing.delete(load)
    failpoint('sink.prepare', 'after')
    return { committables: prepared.committables, counts: { rows: prepared.rows, bytes: prepared.bytes } }
  }

  async rollback(): Promise<void> {
    clearTimeout(this.#idle)
    const open = [...this.#preparing, ...(this.#current === undefined ? [] : [this.#current])]
    this.#current = undefined
    this.#preparing.clear()
    await Promise.all(open.map((load) => load.rollback()))
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    await this.#close()
  }
}
