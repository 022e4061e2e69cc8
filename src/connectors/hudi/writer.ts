import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { FileStore } from '../../core/file-store.ts'
import type { JsonObject } from '../../core/json.ts'
import type { CutResult, SinkWriter } from '../../core/sink.ts'
import { LaneDatabase } from '../../dataplane/index.ts'
import type { StoredSchema } from './avro-schema.ts'
import { ticketFromJson } from './committable.ts'
import { LanePart } from './lane-part.ts'
import { readProperties, tableOf } from './table.ts'

export interface HudiWriterOptions {
  readonly address: string
  readonly stored: StoredSchema
  readonly targetFileSize: number
  readonly compression: 'snappy' | 'zstd'
}

/** One lane: its rows of a checkpoint become files of the checkpoint's instant. */
export class HudiWriter implements SinkWriter {
  readonly #context: LaneContext
  readonly #options: HudiWriterOptions
  /** Parts that are not cut to the end: the open one, and those whose cut is under way. */
  readonly #parts = new Set<LanePart>()
  #open: LanePart | undefined
  #store: Promise<FileStore> | undefined

  constructor(context: LaneContext, options: HudiWriterOptions) {
    this.#context = context
    this.#options = options
  }

  begin(_checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#open = this.#newPart(ticket)
  }

  async write(batch: Batch): Promise<void> {
    const part = this.#open
    assert(part !== undefined, 'a writer is begun before it is written to')
    await part.write(batch)
  }

  async cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult> {
    const part = this.#open
    assert(part !== undefined, 'a writer is begun before it is cut')
    this.#open = this.#newPart(next.ticket)
    failpoint('sink.prepare', 'before')
    const result = await part.finish()
    failpoint('sink.prepare', 'after')
    this.#parts.delete(part)
    return result
  }

  async rollback(): Promise<void> {
    const parts = [...this.#parts]
    this.#parts.clear()
    this.#open = undefined
    await Promise.all(parts.map((part) => part.abort()))
  }

  /** Finished files stay: only the checkpoint log knows whether they are wanted. */
  close(): Promise<void> {
    return this.rollback()
  }

  #newPart(ticket: JsonObject): LanePart {
    const { lane, lanes, meter, id } = this.#context
    const { stored, targetFileSize, compression } = this.#options
    const part = new LanePart({
      ticket: ticketFromJson(ticket),
      lane,
      lanes,
      name: id,
      stored,
      targetFileSize,
      compression,
      meter,
      database: () => this.#database(),
      store: () => this.#openStore(),
      table: async () => {
        const properties = await readProperties(await this.#openStore())
        if (properties !== undefined) return tableOf(properties)
        throw new MillraceError(`writing to ${this.#options.address}: hoodie.properties is gone`, { code: 'PREFLIGHT' })
      },
    })
    this.#parts.add(part)
    return part
  }

  #openStore(): Promise<FileStore> {
    this.#store ??= this.#context.openStore(this.#options.address)
    return this.#store
  }

  async #database(): Promise<LaneDatabase> {
    const database = await this.#context.database()
    assert(database instanceof LaneDatabase, 'the lane has a database of the data plane')
    return database
  }
}
