import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { CutResult, SinkWriter } from '../../core/sink.ts'
import { CheckpointPages } from './checkpoint-pages.ts'
import { OP } from './describe-sink.ts'
import type { SqlDialect } from './dialect.ts'
import { modeOf, type TableSinkOptions } from './options.ts'
import type { Page } from './page.ts'
import { openPageConnections, type PageConnection } from './page-connection.ts'
import { RowCursor } from './row-cursor.ts'
import { numberIn } from './session.ts'
import { directTarget, shapeOf, stagedTarget, writtenColumns } from './sink-target.ts'
import { missingSql, stagePrefix, type StageShape } from './stage.ts'
import type { TargetTable } from './target.ts'
import { ticketOf, type SqlTicket } from './sql-committable.ts'

/** Texts of rows for statements of this server; the caller owns the lane's database. */
export interface RowTexts {
  /** `superseded`: rows that are not among the texts, because a later one has their key. */
  encode(batch: Batch): Promise<{ readonly buffer: Buffer; readonly length: number; readonly superseded: number }>
}

/** What the texts of rows are made of. */
export interface RowTextLayout {
  /** Columns of the unique key; none: rows have no key text. */
  readonly key: readonly string[]
  /** Fields of a row text in their order; those that the rows do not have are left empty. */
  readonly fields: readonly string[]
  /** Column that says 0 (put) or 1 (delete), if the rows have one. */
  readonly op: string | undefined
}

export interface SqlWriterParts {
  readonly dialect: SqlDialect
  /** Row texts have every column of the target, as values of its row type. */
  readonly isRowWhole: boolean
  openTexts(layout: RowTextLayout): Promise<RowTexts>
}

interface Opened {
  readonly texts: RowTexts
  readonly shape: StageShape | undefined
  pages(ticket: SqlTicket): CheckpointPages
}

/** Writes a lane's rows in pages over several connections: into the target by key, or into the staging table. */
export class SqlWriter implements SinkWriter {
  readonly #options: TableSinkOptions
  readonly #parts: SqlWriterParts
  readonly #context: LaneContext
  readonly #connections: readonly PageConnection[]
  /** Pages that were sent and may be filled again. */
  readonly #spare: Page[] = []
  #opened: Opened | undefined
  #ticket: SqlTicket | undefined
  #pages: CheckpointPages | undefined
  #bytes = 0
  #disarm: (() => void) | undefined
  /** Cuts that are being finished. */
  readonly #ending = new Set<CheckpointPages>()

  constructor(options: TableSinkOptions, parts: SqlWriterParts, context: LaneContext) {
    this.#options = options
    this.#parts = parts
    this.#context = context
    this.#connections = openPageConnections(options, parts.dialect, context)
  }

  begin(_checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#ticket = ticketOf(ticket)
  }

  async write(batch: Batch): Promise<void> {
    try {
      const opened = (this.#opened ??= await this.#open())
      assert(this.#ticket !== undefined, 'the runtime begins a checkpoint before it writes')
      const pages = (this.#pages ??= opened.pages(this.#ticket))
      pages.throwIfFailed()
      const { buffer, length, superseded } = await opened.texts.encode(batch)
      pages.count(superseded)
      const row = new RowCursor(buffer, length)
      while (row.next()) {
        const wait = pages.add(row)
        if (wait !== undefined) await wait
      }
      this.#bytes += batch.bytes
      this.#arm(pages)
    } finally {
      batch.release()
    }
  }

  async cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult> {
    const [pages, ticket, bytes, opened] = [this.#pages, this.#ticket, this.#bytes, this.#opened]
    this.#pages = undefined
    this.#bytes = 0
    this.#ticket = ticketOf(next.ticket)
    this.#disarm?.()
    this.#disarm = undefined
    if (pages === undefined || ticket === undefined) return { committables: [], counts: { rows: 0, bytes: 0 } }
    this.#ending.add(pages)
    try {
      failpoint('sink.prepare', 'before')
      await pages.finish()
      const committables =
        modeOf(this.#options) === 'upsert' ? [] : [await this.#prepared(pages, ticket, opened?.shape)]
      failpoint('sink.prepare', 'after')
      return { committables, counts: { rows: pages.rows, bytes } }
    } finally {
      this.#ending.delete(pages)
    }
  }

  async rollback(): Promise<void> {
    this.#disarm?.()
    this.#disarm = undefined
    for (const pages of [...this.#ending, ...(this.#pages === undefined ? [] : [this.#pages])]) pages.discard()
    this.#pages = undefined
    this.#ticket = undefined
    // The table may have another shape when the checkpoint is read again.
    this.#opened = undefined
    this.#bytes = 0
    await Promise.all(this.#connections.map((connection) => connection.abort()))
  }

  async close(): Promise<void> {
    this.#disarm?.()
    for (const pages of [...this.#ending, ...(this.#pages === undefined ? [] : [this.#pages])]) pages.discard()
    await Promise.all(this.#connections.map((connection) => connection.close()))
  }

  /** Rows that wait for others are sent after a while all the same. */
  #arm(pages: CheckpointPages): void {
    this.#disarm ??= this.#context.clock.after(this.#options.flushInterval, () => {
      this.#disarm = undefined
      if (pages.sendIdle()) this.#arm(pages)
    })
  }

  /** The staged rows are counted: what the server has is what was sent, or, by key, not more. */
  async #prepared(pages: CheckpointPages, ticket: SqlTicket, shape: StageShape | undefined): Promise<JsonObject> {
    const { dialect } = this.#parts
    const { epoch, checkpoint, stage } = ticket
    const session = await dialect.open()
    try {
      const own = `__epoch = ${epoch} AND __checkpoint = ${checkpoint} AND __lane = ${this.#context.lane}`
      const count = async (more = ''): Promise<number> => {
        const sql = `SELECT COUNT(*) FROM ${dialect.qualified(stage)} WHERE ${own}${more}`
        return numberIn(await session.query(sql, 'counting staged rows')) ?? 0
      }
      const staged = await count()
      if (this.#options.key.length === 0 && staged !== pages.rows) throw miscounted(stage, pages.rows, staged)
      const missing = shape === undefined ? undefined : missingSql(dialect, shape)
      if (missing !== undefined && (await count(` AND ${missing}`)) > 0) {
        const message = `preparing rows for ${this.#options.table}: NULL in a column of the table that takes none`
        throw new MillraceError(message, { code: 'POISON' })
      }
      return { epoch, checkpoint, stage, rows: pages.rows, staged }
    } finally {
      await session.close()
    }
  }

  async #describe(): Promise<TargetTable | undefined> {
    const { dialect } = this.#parts
    const session = await dialect.open()
    try {
      return await dialect.describe(session, this.#options.table)
    } finally {
      await session.close()
    }
  }

  async #open(): Promise<Opened> {
    const { dialect, isRowWhole, openTexts } = this.#parts
    const options = this.#options
    const { schema, job, id, lane } = this.#context
    assert(schema !== undefined, 'the plan knows the schema of the rows')
    const table = await this.#describe()
    if (table === undefined) {
      throw new MillraceError(`writing to ${options.table}: the table is missing`, { code: 'SCHEMA' })
    }
    const columns = writtenColumns(schema, table, options.table)
    const shape = shapeOf(options, dialect, stagePrefix(job, id), { columns, schema })
    const target =
      shape === undefined
        ? directTarget(options, dialect, { columns, table, isWhole: isRowWhole })
        : stagedTarget(options, dialect, shape)
    const texts = await openTexts({
      key: options.key,
      fields: shape === undefined ? target.fields : columns.map(({ name }) => name),
      op: schema.some(({ name }) => name === OP) ? OP : undefined,
    })
    const { pageRows, pageBytes } = options
    return {
      texts,
      shape,
      pages: ({ epoch, checkpoint, stage }) => {
        if (shape !== undefined && shape.name !== stage) {
          throw new MillraceError(`writing to ${options.table}: its columns changed since the checkpoint began`, {
            code: 'SCHEMA',
            retry: 'restart',
          })
        }
        return new CheckpointPages({
          ...{ epoch, checkpoint, lane, target, pageRows, pageBytes },
          connections: this.#connections,
          spare: this.#spare,
          isStaged: shape !== undefined,
          hasKey: options.key.length > 0,
        })
      },
    }
  }
}

function miscounted(stage: string, sent: number, staged: number): MillraceError {
  return new MillraceError(`preparing ${stage}: ${sent} rows were sent, and ${staged} are there`, {
    code: 'ACCOUNTING',
    detail: { sent, staged },
  })
}
