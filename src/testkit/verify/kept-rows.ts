import { appendFile } from 'node:fs/promises'
import path from 'node:path'
import type { Batch, SplitId } from '../../core/batch.ts'
import { assert } from '../../core/assert.ts'
import { quoteName, quoteText, type LaneDatabase } from '../../dataplane/index.ts'
import { recordsOf } from '../read-splits.ts'

/** Rows in files, one for each split, so that they keep their order. */
export class KeptRows {
  readonly #directory: string
  /** May write to the directory. */
  readonly #database: () => Promise<LaneDatabase>
  readonly #counts = new Map<SplitId, number>()
  readonly #tables = new Set<string>()
  #rows = 0

  constructor(directory: string, database: () => Promise<LaneDatabase>) {
    this.#directory = directory
    this.#database = database
  }

  get rows(): number {
    return this.#rows
  }

  get counts(): ReadonlyMap<SplitId, number> {
    return this.#counts
  }

  /** The first rows of a batch. */
  async add(batch: Batch, most: number): Promise<void> {
    const rows = Math.min(batch.rows, most)
    if (rows === 0) return
    const before = this.#counts.get(batch.split)
    this.#counts.set(batch.split, (before ?? 0) + rows)
    this.#rows += rows
    const name = `part-${[...this.#counts.keys()].indexOf(batch.split)}`
    if (batch.body.kind === 'bytes') {
      const lines = recordsOf(batch).slice(0, rows)
      return await appendFile(path.join(this.#directory, `${name}.ndjson`), lines.map((line) => `${line}\n`).join(''))
    }
    assert(batch.body.kind === 'table', 'a source gives bytes or tables')
    const into = before === undefined ? `CREATE TABLE ${quoteName(name)} AS` : `INSERT INTO ${quoteName(name)}`
    await (await this.#database()).run(`${into} SELECT * FROM ${quoteName(batch.body.relation)} LIMIT ${rows}`)
    this.#tables.add(name)
  }

  /** All of them are in their files. */
  async end(): Promise<void> {
    for (const name of this.#tables) {
      const file = path.join(this.#directory, `${name}.parquet`)
      await (
        await this.#database()
      ).run(`COPY ${quoteName(name)} TO ${quoteText(file)} (FORMAT parquet, USE_TMP_FILE false)`)
    }
  }
}
