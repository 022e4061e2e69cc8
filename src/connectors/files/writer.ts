import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { CutResult, SinkWriter } from '../../core/sink.ts'
import type { FileEncoder } from './encoder.ts'
import { extensionOf, type FilesLayout } from './options.ts'
import type { FilesPlace, StagedWriter } from './files-place.ts'
import { fileName, filesTicket, type FilesCommittable, type FilesTicket } from './staging.ts'

export interface FilesWriterOptions {
  readonly place: FilesPlace
  readonly layout: FilesLayout
  readonly rollBytes: number
  readonly openEncoder: () => Promise<FileEncoder>
}

/** Stages the rows of one lane: for each checkpoint one file, or several where `rollBytes` is reached. */
export class FilesWriter implements SinkWriter {
  readonly #options: FilesWriterOptions
  readonly #context: LaneContext
  #open: CheckpointFiles | undefined
  /** Cuts that are being finished. */
  readonly #ending = new Set<CheckpointFiles>()

  constructor(options: FilesWriterOptions, context: LaneContext) {
    this.#options = options
    this.#context = context
  }

  begin(checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#open = this.#filesOf(checkpoint, ticket)
  }

  async write(batch: Batch): Promise<void> {
    try {
      assert(this.#open !== undefined, 'the runtime begins a checkpoint before it writes')
      await this.#open.write(batch)
    } finally {
      batch.release()
    }
  }

  async cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult> {
    const files = this.#open
    assert(files !== undefined, 'the runtime begins a checkpoint before it cuts')
    this.#open = this.#filesOf(next.checkpoint, next.ticket)
    this.#ending.add(files)
    try {
      failpoint('sink.prepare', 'before')
      const result = await files.finish()
      failpoint('sink.prepare', 'after')
      return result
    } finally {
      this.#ending.delete(files)
    }
  }

  async rollback(): Promise<void> {
    const files = [...this.#ending, ...(this.#open === undefined ? [] : [this.#open])]
    this.#open = undefined
    await Promise.all(files.map((one) => one.discard()))
  }

  async close(): Promise<void> {
    await this.rollback()
  }

  #filesOf(checkpoint: CheckpointId, json: JsonObject): CheckpointFiles {
    const ticket = filesTicket(json)
    assert(ticket.checkpoint === checkpoint, 'a ticket is used for its own checkpoint')
    return new CheckpointFiles(this.#options, this.#context, ticket)
  }
}

/** What one lane stages for one checkpoint. `open → finishing → finished`, or `discarded` from any of them. */
class CheckpointFiles {
  readonly #options: FilesWriterOptions
  readonly #context: LaneContext
  readonly #ticket: FilesTicket
  readonly #done: { readonly file: StagedWriter; readonly committable: FilesCommittable }[] = []
  #current: { readonly file: StagedWriter; readonly encoder: FileEncoder; rows: number } | undefined
  #rows = 0
  #bytes = 0
  #isDiscarded = false
  /** Work that is going on; what comes next waits for it. */
  #work: Promise<unknown> = Promise.resolve()

  constructor(options: FilesWriterOptions, context: LaneContext, ticket: FilesTicket) {
    this.#options = options
    this.#context = context
    this.#ticket = ticket
  }

  write(batch: Batch): Promise<void> {
    return this.#inTurn(async () => {
      const current = (this.#current ??= await this.#create())
      current.rows += batch.rows
      this.#rows += batch.rows
      this.#bytes += batch.bytes
      for (const chunk of await current.encoder.add(batch)) await current.file.write(chunk)
      if (current.file.bytes >= this.#options.rollBytes) await this.#endCurrent()
    })
  }

  finish(): Promise<CutResult> {
    return this.#inTurn(async () => {
      await this.#endCurrent()
      const committables = this.#done.map(({ committable }) => committable)
      return { committables, counts: { rows: this.#rows, bytes: this.#bytes } }
    })
  }

  async discard(): Promise<void> {
    this.#isDiscarded = true
    await this.#work
    const { encoder, file } = this.#current ?? {}
    await encoder?.close().catch(() => undefined)
    await file?.discard()
    for (const done of this.#done) await done.file.discard()
  }

  /** Ends the file that is open: its content and its staged name are durable afterwards. */
  async #endCurrent(): Promise<void> {
    if (this.#current === undefined) return
    const { file, encoder, rows } = this.#current
    failpoint('sink.flush', 'before')
    for (const chunk of await encoder.finish()) await file.write(chunk)
    await encoder.close()
    const staged = await file.finish()
    failpoint('sink.flush', 'after')
    this.#current = undefined
    const name = this.#name(this.#done.length)
    this.#done.push({ file, committable: { ...staged, name, bytes: file.bytes, rows } })
  }

  async #create(): Promise<{ file: StagedWriter; encoder: FileEncoder; rows: number }> {
    const encoder = await this.#options.openEncoder()
    try {
      return { file: await this.#options.place.stage(this.#name(this.#done.length)), encoder, rows: 0 }
    } catch (thrown) {
      await encoder.close()
      throw thrown
    }
  }

  #name(number: number): string {
    const { place, layout } = this.#options
    const { lane } = this.#context
    return fileName(this.#ticket, { prefix: place.namePrefix, lane, number, extension: extensionOf(layout) })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#work.then(async () => {
      if (this.#isDiscarded) throw rolledBack()
      const result = await work()
      if (this.#isDiscarded) throw rolledBack()
      return result
    })
    this.#work = mine.catch(() => undefined)
    return mine
  }
}

function rolledBack(): MillraceError {
  return new MillraceError('writing files: the checkpoint was rolled back', { code: 'INTERRUPTED', retry: 'restart' })
}
