import { appendFile } from 'node:fs/promises'
import path from 'node:path'
import type { Batch, BytesBody, SplitId } from '../../core/batch.ts'
import { assert } from '../../core/assert.ts'
import type { Schema } from '../../core/schema.ts'
import { parseColumnType, quoteName, quoteText, type Column, type LaneDatabase } from '../../dataplane/index.ts'
import { withMetadata } from '../../transforms/metadata-columns.ts'
import { recordsOf } from '../read-splits.ts'

export interface KeptRowsOptions {
  readonly directory: string
  /** May write to the directory. */
  readonly database: () => Promise<LaneDatabase>
  /** What bytes are. */
  readonly format: 'json' | 'csv'
  /** Beside the records: they become columns of the rows. Tables have them already. */
  readonly metadata: Schema
}

/** Rows in files, one for each split, so that they keep their order. */
export class KeptRows {
  readonly #options: KeptRowsOptions
  readonly #metadata: readonly Column[]
  readonly #counts = new Map<SplitId, number>()
  readonly #tables = new Set<string>()
  #rows = 0

  constructor(options: KeptRowsOptions) {
    this.#options = options
    this.#metadata = options.metadata.map((column) => ({ ...column, type: parseColumnType(column.type) }))
  }

  get rows(): number {
    return this.#rows
  }

  get counts(): ReadonlyMap<SplitId, number> {
    return this.#counts
  }

  /** The rows of a batch behind those that are passed over. */
  async add(batch: Batch, skip: number, most: number): Promise<void> {
    const rows = Math.min(batch.rows - skip, most)
    if (rows <= 0) return
    const { directory, format, database } = this.#options
    const before = this.#counts.get(batch.split)
    this.#counts.set(batch.split, (before ?? 0) + rows)
    this.#rows += rows
    const name = `part-${[...this.#counts.keys()].indexOf(batch.split)}`
    if (batch.body.kind === 'bytes') {
      const lines = recordsOf(this.#withMetadata(batch, batch.body)).slice(skip, skip + rows)
      const file = path.join(directory, `${name}.${format === 'csv' ? 'csv' : 'ndjson'}`)
      return await appendFile(file, lines.map((line) => `${line}\n`).join(''))
    }
    assert(batch.body.kind === 'table', 'a source gives bytes or tables')
    const into = before === undefined ? `CREATE TABLE ${quoteName(name)} AS` : `INSERT INTO ${quoteName(name)}`
    await (await database()).run(`${into} SELECT * FROM ${quoteName(batch.body.relation)} LIMIT ${rows} OFFSET ${skip}`)
    this.#tables.add(name)
  }

  /** All of them are in their files. */
  async end(): Promise<void> {
    for (const name of this.#tables) {
      const file = path.join(this.#options.directory, `${name}.parquet`)
      await (
        await this.#options.database()
      ).run(`COPY ${quoteName(name)} TO ${quoteText(file)} (FORMAT parquet, USE_TMP_FILE false)`)
    }
  }
  #withMetadata(batch: Batch, body: BytesBody): Batch {
    if (this.#metadata.length === 0) return batch
    const made = withMetadata({ ...body, rows: batch.rows }, body.metadata, this.#metadata, this.#options.format)
    return { ...batch, body: { kind: 'bytes', buffer: made.buffer, length: made.length, separator: body.separator } }
  }
}
