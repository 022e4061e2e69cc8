import { assert } from '../../core/assert.ts'
import type { Batch, SplitEnd, SplitId } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import type { SplitAssignment } from '../../core/source.ts'
import { quoteName, quoteText, type LaneDatabase } from '../../dataplane/index.ts'
import { checkIdentity, openFile } from './identity.ts'
import { ParquetFile } from './parquet-file.ts'
import { filePosition, fileSpec, type FileSpec } from './split.ts'
import type { SplitCursor } from './split-cursor.ts'
import { newTableName, tableBatch } from './table-batch.ts'

/** Divides the window of a Parquet file evenly. */
const BATCH_ROWS = 20_480

export interface ParquetSettings {
  readonly database: () => Promise<LaneDatabase>
  readonly schema: Schema
  /** Metadata columns that the tables have beside those of the schema. */
  readonly metadata: readonly string[]
}

/** Reads one Parquet file into tables of the lane's DuckDB. Its position counts rows. */
export class ParquetCursor implements SplitCursor {
  readonly split: SplitId
  readonly spec: FileSpec
  readonly bytesRead = 0
  readonly #settings: ParquetSettings
  #row: number
  #file: ParquetFile | undefined

  constructor(assignment: SplitAssignment, settings: ParquetSettings) {
    this.split = assignment.split
    this.spec = fileSpec(assignment.spec)
    this.#row = filePosition(assignment.at).row
    this.#settings = settings
  }

  async next(): Promise<Batch | SplitEnd | undefined> {
    const file = (this.#file ??= await this.#open())
    const from = { offset: 0, row: this.#row }
    if (this.#row >= file.rows) return { kind: 'split-end', split: this.split, at: from }
    const to = Math.min(this.#row + BATCH_ROWS, file.rows)
    const bytes = await file.read(this.#row, to)
    const database = await this.#settings.database()
    const relation = newTableName()
    await database.exclusive(async () => {
      database.input.write(bytes, bytes.length)
      const path = quoteText(database.input.path)
      await database.connection.run(`CREATE TEMP TABLE ${quoteName(relation)} AS SELECT * FROM read_parquet(${path})`)
    })
    this.#row = to
    const place = { split: this.split, from, next: { offset: 0, row: to }, rows: to - from.row, bytes: bytes.length }
    return tableBatch(database, relation, this.#settings.schema, place)
  }

  /** Parquet files are complete before they are found, so nobody waits at their end. */
  async links(): Promise<undefined> {
    return undefined
  }

  endWhereItEnds(): void {
    assert(false, 'a Parquet file does not grow')
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  async #open(): Promise<ParquetFile> {
    const { path } = this.spec
    await using handle = await openFile(path)
    await checkIdentity(handle, this.spec, true)
    return await ParquetFile.open(path, this.#settings.schema, this.#settings.metadata)
  }
}
