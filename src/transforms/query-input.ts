import { isUtf8 } from 'node:buffer'
import { assert } from '../core/assert.ts'
import type { Batch, BytesBody } from '../core/batch.ts'
import {
  duckType,
  openQuery,
  quoteName,
  type BytesPiece,
  type Column,
  type InputRelation,
  type LaneDatabase,
  type Query,
  type RowError,
} from '../dataplane/index.ts'
import type { QueryWork } from './step.ts'
import { columnsOf } from './columns.ts'
import { HOUSE_CSV } from './house-csv.ts'
import { withMetadata } from './metadata-columns.ts'
import { RowsAtFault, type RecordFault } from './record-place.ts'
import { writeRows } from './row-lines.ts'

/** The name under which queries know what was staged. */
export const STAGED = '__input'

/**
 * Brings a batch to where the queries of a step read it. A step with one output reads the bytes themselves; several
 * outputs read a table that was decoded once.
 */
export class QueryInput {
  readonly #step: QueryWork
  readonly #database: LaneDatabase
  readonly #columns: readonly Column[]
  /** Temporary view that table-fed queries read; it is pointed at each batch's table. */
  readonly #view: string
  readonly #decoded: string
  #decoder: Query | undefined

  private constructor(step: QueryWork, database: LaneDatabase) {
    this.#step = step
    this.#database = database
    this.#columns = columnsOf([...step.input.schema, ...step.metadata])
    this.#view = `view of ${step.id}`
    this.#decoded = `rows of ${step.id}`
  }

  static async open(step: QueryWork, database: LaneDatabase): Promise<QueryInput> {
    const input = new QueryInput(step, database)
    if (input.isDirect) return input
    // The queries are planned before there is a table: over one of the same columns without rows.
    const nulls = input.#columns.map(({ name, type }) => `CAST(NULL AS ${duckType(type)}) AS ${quoteName(name)}`)
    await database.run(
      `CREATE OR REPLACE TEMP TABLE ${quoteName(input.#decoded)} AS SELECT ${nulls.join(', ')} WHERE false`,
    )
    await input.#pointAt(input.#decoded)
    if (step.input.format.kind === 'table') return input
    const sql = `SELECT * FROM ${quoteName(STAGED)}`
    const output = { format: 'table', table: input.#decoded } as const
    input.#decoder = await openQuery(database, { input: input.#bytesRelation(), sql, output })
    return input
  }

  /** Queries read the bytes of `stage` themselves. */
  get isDirect(): boolean {
    return this.#step.input.format.kind !== 'table' && this.#step.outputs.length === 1
  }

  /** What the step's queries read. */
  get relation(): InputRelation {
    if (this.isDirect) return this.#bytesRelation()
    return { format: 'table', name: STAGED, columns: this.#columns, table: this.#view }
  }

  /**
   * The records of a batch as lines; nothing for a table.
   *
   * @throws RowsAtFault for records that are no text.
   */
  piece(batch: Batch): BytesPiece | undefined {
    return batch.body.kind === 'table' ? undefined : this.#pieceOf(batch)
  }

  /**
   * Makes a batch, or what is left of its records, readable. Returns the bytes to hand to direct queries. Records that
   * cannot be decoded are left out where `leaveOut` takes them.
   *
   * @throws RowsAtFault for others.
   */
  async stage(
    { body }: Batch,
    piece: BytesPiece | undefined,
    leaveOut: LeaveOut | undefined,
  ): Promise<BytesPiece | undefined> {
    if (body.kind === 'table') {
      assert(!this.isDirect, 'the plan said that this step reads tables')
      await this.#pointAt(body.relation)
      return undefined
    }
    if (this.#decoder === undefined) return piece
    const result = await this.#decoder.run(piece, undefined, leaveOut !== undefined)
    if (!result.ok) throw new RowsAtFault(faultsOf(result.errors))
    if (result.leftOut !== undefined) leaveOut?.(result.leftOut)
    await this.#pointAt(this.#decoded)
    return undefined
  }

  /** Lets table-fed queries see only some of the rows, to find the ones at fault. */
  async narrow(batch: Batch, from: number, to: number): Promise<void> {
    await this.#pointAt(batch.body.kind === 'table' ? batch.body.relation : this.#decoded, { from, to })
  }

  close(): void {
    this.#decoder?.close()
  }

  #bytesRelation(): InputRelation {
    const base = { name: STAGED, columns: this.#columns }
    return this.#step.input.format.kind === 'bytes' && this.#step.input.encoding === 'csv'
      ? { ...base, format: 'csv', csv: HOUSE_CSV }
      : { ...base, format: 'ndjson' }
  }

  async #pointAt(table: string, range?: { readonly from: number; readonly to: number }): Promise<void> {
    // Views have no rowid; with one thread the rows of each relation come in one order.
    const where = range === undefined ? '' : ` LIMIT ${range.to - range.from} OFFSET ${range.from}`
    await this.#database.run(
      `CREATE OR REPLACE TEMP VIEW ${quoteName(this.#view)} AS SELECT * FROM ${quoteName(table)}${where}`,
    )
  }

  #pieceOf(batch: Batch): BytesPiece {
    const { body, rows } = batch
    const { input, metadata } = this.#step
    assert(body.kind === 'bytes' || body.kind === 'rows', 'tables and Parquet have no lines')
    if (body.kind === 'rows') return whole(writeRows(body.rows, columnsOf(input.schema)), rows)
    assert(body.separator === 0x0a, 'the plan gives line feeds to steps that decode')
    if (input.encoding === 'raw') {
      const column = input.schema[0]?.name ?? ''
      const lines = rawLines(body, rows, (row, reason) => new RowsAtFault([{ row, column, reason }]))
      return this.#withMetadata(
        body,
        whole(
          writeRows(
            lines.map((line) => ({ [column]: line })),
            columnsOf(input.schema),
          ),
          rows,
        ),
      )
    }
    const piece = { buffer: body.buffer, length: body.length, rows }
    return metadata.length === 0 ? piece : this.#withMetadata(body, piece)
  }

  #withMetadata(body: BytesBody, piece: BytesPiece): BytesPiece {
    const { metadata, input } = this.#step
    if (metadata.length === 0) return piece
    return withMetadata(piece, body.metadata, columnsOf(metadata), input.encoding === 'csv' ? 'csv' : 'json')
  }
}

/** Takes rows that could not be decoded, by their numbers and places in the piece; all others went on. */
export type LeaveOut = (rows: readonly RowError[]) => void

/** What the data plane says of rows, in the words of records. `piece` is what they were decoded from. */
export function faultsOf(errors: readonly RowError[], piece?: BytesPiece): RecordFault[] {
  return errors.map(({ row, column, reason, isOfSql = false, byteStart, byteEnd }) => {
    const bytes = piece && { bytes: { buffer: piece.buffer, from: byteStart, to: byteEnd } }
    return { row, column, reason, isOfStep: isOfSql, ...bytes }
  })
}

function whole(buffer: Buffer, rows: number): BytesPiece {
  return { buffer, length: buffer.length, rows }
}

function rawLines(
  body: BytesBody,
  rows: number,
  fault: (row: number, reason: RecordFault['reason']) => Error,
): string[] {
  const lines: string[] = []
  let start = 0
  for (let row = 0; row < rows; row++) {
    const end = body.ends?.[row] ?? body.buffer.indexOf(body.separator, start)
    if (!isUtf8(body.buffer.subarray(start, end))) throw fault(row, 'invalid UTF-8')
    lines.push(body.buffer.toString('utf8', start, end))
    start = end + 1
  }
  return lines
}
