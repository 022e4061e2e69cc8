import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { CutResult, SinkWriter } from '../../core/sink.ts'
import { ParquetAppender, quoteName, quoteText, type LaneDatabase } from '../../dataplane/index.ts'
import { stagedSelect } from './columns.ts'
import { stagedName, stagingFolder, ticketOf, type DuckdbTicket } from './staged.ts'

/** Stages the rows of one lane: one Parquet file for each checkpoint. */
export class DuckdbWriter implements SinkWriter {
  readonly #context: LaneContext
  readonly #folder: string
  #ticket: DuckdbTicket | undefined
  #open: StagedRows | undefined
  /** Cuts that are being finished. */
  readonly #ending = new Set<StagedRows>()
  #buffer: Buffer | undefined

  constructor(path: string, context: LaneContext) {
    this.#context = context
    this.#folder = stagingFolder(path, context.job, context.id)
  }

  begin(_checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#ticket = ticketOf(ticket)
  }

  async write(batch: Batch): Promise<void> {
    try {
      assert(this.#ticket !== undefined, 'the runtime begins a checkpoint before it writes')
      const rows = (this.#open ??= new StagedRows(this.#folder, stagedName(this.#ticket, this.#context.lane)))
      await rows.add(await this.#encode(batch), batch)
    } finally {
      batch.release()
    }
  }

  async cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult> {
    const [rows, ticket] = [this.#open, this.#ticket]
    assert(ticket !== undefined, 'the runtime begins a checkpoint before it cuts')
    this.#open = undefined
    this.#ticket = ticketOf(next.ticket)
    if (rows === undefined) return { committables: [], counts: { rows: 0, bytes: 0 } }
    this.#ending.add(rows)
    try {
      failpoint('sink.prepare', 'before')
      const part = await rows.finish()
      failpoint('sink.prepare', 'after')
      return { committables: [{ ...ticket, parts: [part] }], counts: { rows: rows.rows, bytes: rows.read } }
    } finally {
      this.#ending.delete(rows)
    }
  }

  async rollback(): Promise<void> {
    const open = [...this.#ending, ...(this.#open === undefined ? [] : [this.#open])]
    this.#open = undefined
    this.#ticket = undefined
    await Promise.all(open.map((rows) => rows.discard()))
  }

  async close(): Promise<void> {
    await this.rollback()
  }

  /** The rows of a table as Parquet, in memory that the next batch uses again. */
  async #encode({ body }: Batch): Promise<Uint8Array> {
    assert(body.kind === 'table', 'the plan gives tables to this sink')
    const database = (await this.#context.database()) as LaneDatabase
    const copy =
      `COPY (SELECT ${stagedSelect(body.schema)} FROM ${quoteName(body.relation)}) ` +
      `TO ${quoteText(database.output.path)} (FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false)`
    return await database.exclusive(async () => {
      await database.connection.run(copy)
      const { buffer, length } = database.output.read(this.#buffer)
      this.#buffer = buffer
      database.output.shrink()
      return buffer.subarray(0, length)
    })
  }
}

/** One file that is being written. */
class StagedRows {
  rows = 0
  /** Bytes as they were read. */
  read = 0
  readonly #folder: string
  readonly #name: string
  readonly #appender = new ParquetAppender()
  #handle: FileHandle | undefined
  #isDiscarded = false
  #work: Promise<unknown> = Promise.resolve()

  constructor(folder: string, name: string) {
    this.#folder = folder
    this.#name = name
  }

  add(fragment: Uint8Array, { rows, bytes }: Batch): Promise<void> {
    return this.#inTurn(async () => {
      await mkdir(this.#folder, { recursive: true })
      this.#handle ??= await open(join(this.#folder, this.#name), 'w')
      for (const part of this.#appender.append(fragment)) await this.#handle.appendFile(part)
      this.rows += rows
      this.read += bytes
    })
  }

  finish(): Promise<JsonObject> {
    return this.#inTurn(async () => {
      const handle = this.#handle
      assert(handle !== undefined, 'a file is begun with its first rows')
      failpoint('sink.flush', 'before')
      await handle.appendFile(this.#appender.finish())
      await handle.sync()
      await handle.close()
      this.#handle = undefined
      const folder = await open(this.#folder, 'r')
      await folder.sync()
      await folder.close()
      failpoint('sink.flush', 'after')
      return { name: this.#name, rows: this.rows, bytes: this.#appender.bytes }
    })
  }

  async discard(): Promise<void> {
    this.#isDiscarded = true
    await this.#work
    await this.#handle?.close()
    await rm(join(this.#folder, this.#name), { force: true })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#work.then(async () => {
      if (this.#isDiscarded) throw rolledBack()
      const result = await work().catch((thrown: unknown) => {
        throw writeError(this.#folder, thrown)
      })
      if (this.#isDiscarded) throw rolledBack()
      return result
    })
    this.#work = mine.catch(() => undefined)
    return mine
  }
}

function rolledBack(): MillraceError {
  return new MillraceError('staging rows: the checkpoint was rolled back', { code: 'INTERRUPTED', retry: 'restart' })
}

/** The rows are still in the source: the checkpoint is thrown away and tried again. */
function writeError(folder: string, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'an unknown error'
  return new MillraceError(`staging rows in ${folder} failed with ${code}`, {
    code: 'UNAVAILABLE',
    retry: 'restart',
    cause: thrown,
  })
}
