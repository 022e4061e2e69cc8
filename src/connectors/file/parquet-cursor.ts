import { assert } from '../../core/assert.ts'
import type { Batch, SplitEnd, SplitId } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import type { SplitAssignment } from '../../core/source.ts'
import type { LaneDatabase } from '../../dataplane/index.ts'
import {
  loadAhead,
  loadRowGroup,
  readFooter,
  RowGroupTables,
  type ByteRanges,
  type LoadedRowGroup,
  type ParquetFooter,
  type ParquetRowGroup,
  type RowSelect,
  type RowTable,
} from '../../dataplane/parquet-source/index.ts'
import type { FilePlace } from './file-place.ts'
import { selectByName } from './parquet-columns.ts'
import { filePosition, fileSpec, type FileSpec } from './split.ts'
import type { SplitCursor } from './split-cursor.ts'
import { tableBatch } from './table-batch.ts'

export interface ParquetSettings {
  readonly place: Pick<FilePlace, 'ranges'>
  readonly database: () => Promise<LaneDatabase>
  readonly schema: Schema
  /** Columns whose values are read, the others come as NULL; absent: all. */
  readonly reads?: readonly string[] | undefined
  /** Metadata columns that the tables have beside those of the schema. */
  readonly metadata: readonly string[]
}

interface OpenedFile {
  readonly file: ByteRanges
  readonly footer: ParquetFooter
  readonly select: RowSelect
  /** Row groups of the split that are not read yet. */
  readonly groups: ParquetRowGroup[]
}

/** Reads a Parquet file, or a range of its rows, into tables of the lane's DuckDB. Its position counts rows. */
export class ParquetCursor implements SplitCursor {
  readonly split: SplitId
  readonly spec: FileSpec
  readonly bytesRead = 0
  readonly #settings: ParquetSettings
  readonly #until: number
  #row: number
  #opened: OpenedFile | undefined
  #tables: RowGroupTables | undefined
  /** The next row group, fetched while this one is being worked on. */
  #ahead: Promise<LoadedRowGroup> | undefined

  constructor(assignment: SplitAssignment, settings: ParquetSettings) {
    this.split = assignment.split
    this.spec = fileSpec(assignment.spec)
    this.#row = filePosition(assignment.at).row
    this.#until = assignment.until === undefined ? Number.POSITIVE_INFINITY : filePosition(assignment.until).row
    this.#settings = settings
  }

  async next(): Promise<Batch | SplitEnd | undefined> {
    const opened = (this.#opened ??= await this.#open())
    const from = { offset: 0, row: this.#row }
    const table = await this.#nextTable(opened)
    if (table === undefined) return { kind: 'split-end', split: this.split, at: from }
    this.#row = table.to
    const place = { split: this.split, from, next: { offset: 0, row: table.to }, rows: table.rows, bytes: table.bytes }
    return tableBatch(await this.#settings.database(), table.relation, this.#settings.schema, place)
  }

  /** Parquet files are complete before they are found, so nobody waits at their end. */
  async links(): Promise<undefined> {
    return undefined
  }

  endWhereItEnds(): void {
    assert(false, 'a Parquet file does not grow')
  }

  async close(): Promise<void> {
    const tables = this.#tables
    this.#opened = undefined
    this.#tables = undefined
    this.#ahead = undefined
    await tables?.close()
  }

  async #nextTable(opened: OpenedFile): Promise<RowTable | undefined> {
    for (;;) {
      const table = await this.#tables?.next()
      if (table !== undefined) return table
      await this.#tables?.close()
      this.#tables = undefined
      const { file, footer, groups, select } = opened
      const group = groups.shift()
      if (group === undefined) return undefined
      const loaded = await (this.#ahead ?? loadRowGroup(file, footer, group, select.columns))
      this.#ahead = loadAhead(file, footer, groups[0], select.columns)
      this.#tables = RowGroupTables.open(await this.#settings.database(), file, group, select, loaded, this.#row)
    }
  }

  async #open(): Promise<OpenedFile> {
    const { footer, file } = await readFooter(await this.#settings.place.ranges(this.spec))
    const select = await selectByName(await this.#settings.database(), file, footer, this.#settings)
    const isOurs = ({ firstRow, rows }: ParquetRowGroup): boolean =>
      firstRow + rows > this.#row && firstRow < this.#until
    return { file, footer, select, groups: footer.groups.filter(isOurs) }
  }
}
