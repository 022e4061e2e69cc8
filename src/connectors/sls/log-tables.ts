import { assert } from '../../core/assert.ts'
import type { Schema } from '../../core/schema.ts'
import {
  findInvalidText,
  parseColumnType,
  plainParquet,
  quoteName,
  quoteText,
  TextColumns,
  type LaneDatabase,
  type TextFault,
} from '../../dataplane/index.ts'
import { LogKeys, UNKNOWN_KEY, type LogReader } from '../../clients/sls/index.ts'
import { LogRows } from './log-rows.ts'
import { MetadataPages, type RowFacts } from './metadata-pages.ts'

const ROWS_MAX = 40_960
/** Of logs; their columns are about as large, and hand-over files are small. */
const BYTES_MAX = 6 * 1024 * 1024

/** Tables wait for their release under names of their own. */
let tables = 0

/** A log that is no row, by its number in the batch. */
export type LogFault = TextFault

export type DecodedLogs =
  | { readonly ok: true; readonly relation: string; readonly rows: number; readonly bytes: number; release(): void }
  | { readonly ok: false; readonly fault: LogFault }

type Gathered = { readonly rows: number; readonly bytes: number } | { readonly fault: LogFault }

/**
 * Decodes logs into relations of the lane's DuckDB: values go from the log group into plain Parquet columns, where each is
 * checked against its type. Keys that are no columns are passed over; of equal keys in a log the last one counts.
 */
export class LogTables {
  readonly #columns: TextColumns
  readonly #quick: LogRows | undefined
  readonly #keys: LogKeys
  readonly #schema: Schema
  readonly #metadata: MetadataPages
  readonly #sql: string

  constructor(schema: Schema, metadata: readonly string[]) {
    const columns = schema.map(({ name, type, nullable }) => ({ name, type: parseColumnType(type), nullable }))
    this.#columns = new TextColumns(columns)
    this.#quick = LogRows.of(columns, { rowsMax: ROWS_MAX, bytesMax: BYTES_MAX })
    this.#keys = new LogKeys(schema.map(({ name }) => name))
    this.#schema = schema
    this.#metadata = new MetadataPages(metadata)
    this.#sql = [...(schema.length === 0 ? [] : [this.#columns.sql]), ...this.#metadata.sql].join(', ')
  }

  /**
   * Takes logs from the reader's current one on, while their groups are before `groupEnd`, up to the size of a batch.
   * `first` is the number of the answer's first group.
   */
  async decode(
    reader: LogReader,
    at: { readonly shard: number; readonly first: bigint; readonly groupEnd: number; readonly isTraced: boolean },
    database: LaneDatabase,
  ): Promise<DecodedLogs> {
    // A log that is larger than all others are together needs room of its own.
    const quick = this.#quick?.hasRoomFor(reader) === true && this.#quick.begin() ? this.#quick : undefined
    const gathered = quick === undefined ? this.#gather(reader, at) : this.#gatherQuickly(quick, reader, at)
    if ('fault' in gathered) return { ok: false, fault: gathered.fault }
    const pages = quick?.pages() ?? this.#columns.pages
    const invalid = findInvalidText(this.#columns.plain, pages)
    if (invalid !== undefined) {
      const column = this.#schema[invalid.column]?.name ?? ''
      return { ok: false, fault: { row: invalid.row, column, reason: 'invalid UTF-8' } }
    }
    const parts = plainParquet([...this.#columns.plain, ...this.#metadata.plain], [...pages, ...this.#metadata.pages])
    return { ok: true, ...gathered, ...(await this.#makeReadable(parts, at.isTraced, database)) }
  }

  /** Queries read the columns where they lie; a batch that is traced, or has no file, becomes a table. */
  async #makeReadable(
    parts: readonly Uint8Array[],
    isTraced: boolean,
    database: LaneDatabase,
  ): Promise<{ readonly relation: string; release(): void }> {
    const relation = `read from sls ${++tables}`
    const file = isTraced ? undefined : database.lend()
    const kind = file === undefined ? 'TABLE' : 'VIEW'
    const source = file ?? database.input
    await database.exclusive(async () => {
      source.writeParts(parts)
      const select = `SELECT ${this.#sql} FROM read_parquet(${quoteText(source.path)})`
      await database.connection.run(`CREATE TEMP ${kind} ${quoteName(relation)} AS ${select}`)
    })
    let isReleased = false
    const release = (): void => {
      if (isReleased) return
      isReleased = true
      // Nobody waits for it: a relation that stays because the lane is ending goes with the lane.
      database.run(`DROP ${kind} IF EXISTS ${quoteName(relation)}`).catch(() => undefined)
      if (file !== undefined) database.giveBack(file)
    }
    return { relation, release }
  }

  #gather(
    reader: LogReader,
    { shard, first, groupEnd }: { readonly shard: number; readonly first: bigint; readonly groupEnd: number },
  ): Gathered {
    const { cells } = this.#columns
    this.#columns.reset()
    this.#metadata.reset()
    let rows = 0
    let bytes = 0
    let facts: RowFacts = { reader, shard, group: first + BigInt(reader.group) }
    for (let group = reader.group; reader.hasLog && reader.group < groupEnd; reader.next()) {
      if (rows >= ROWS_MAX || bytes >= BYTES_MAX) break
      if (reader.group !== group) {
        group = reader.group
        facts = { ...facts, group: first + BigInt(group) }
      }
      this.#addCells(reader)
      if (!this.#metadata.isEmpty) this.#metadata.add(facts)
      rows++
      bytes += reader.logBytes
      if (++cells.rows < cells.rowsMax) continue
      const fault = this.#columns.take(reader.bytes, reader.view)
      if (fault !== undefined) return { fault }
    }
    const fault = this.#columns.take(reader.bytes, reader.view)
    return fault === undefined ? { rows, bytes } : { fault }
  }

  /** As `#gather`; only logs that are not like others go its way. */
  #gatherQuickly(
    quick: LogRows,
    reader: LogReader,
    { shard, first, groupEnd }: { readonly shard: number; readonly first: bigint; readonly groupEnd: number },
  ): Gathered {
    this.#metadata.reset()
    let rows = 0
    let bytes = 0
    while (reader.hasLog && reader.group < groupEnd && rows < ROWS_MAX && bytes < BYTES_MAX) {
      if (!quick.hasRoomFor(reader)) break
      const facts: RowFacts = { reader, shard, group: first + BigInt(reader.group) }
      const each = this.#metadata.isEmpty ? undefined : (): void => this.#metadata.add(facts)
      const taken = quick.take(reader, ROWS_MAX - rows, each)
      rows += taken.rows
      bytes += taken.bytes
      if (taken.rows > 0) continue
      this.#columns.reset()
      this.#addCells(reader)
      this.#columns.cells.rows++
      const fault = this.#columns.take(reader.bytes, reader.view)
      if (fault !== undefined) return { fault: { ...fault, row: rows } }
      quick.add(this.#columns.pages)
      if (!this.#metadata.isEmpty) this.#metadata.add(facts)
      rows++
      bytes += reader.logBytes
      reader.next()
    }
    return { rows, bytes }
  }

  #addCells({ bytes, view, contents, keyStarts, keyEnds, valueStarts, valueEnds }: LogReader): void {
    const { starts, ends, columns, rows } = this.#columns.cells
    const cell = rows * columns
    let key = UNKNOWN_KEY
    for (let index = 0; index < contents; index++) {
      key = this.#keys.find(bytes, view, keyStarts[index] ?? 0, keyEnds[index] ?? 0, key)
      if (key < 0 || key >= this.#schema.length) continue
      starts[cell + key] = valueStarts[index] ?? 0
      ends[cell + key] = valueEnds[index] ?? 0
    }
  }
}

/** A plan that reads no column at all has nothing to decode for. */
export function assertReadable(schema: Schema | undefined): asserts schema is Schema {
  assert(schema !== undefined, 'the plan gives a schema to a source whose values somebody reads')
}
