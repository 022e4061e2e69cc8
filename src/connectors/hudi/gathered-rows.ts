import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import { type LaneDatabase, quoteName, quoteText } from '../../dataplane/index.ts'
import type { StoredSchema } from './avro-schema.ts'
import { recordKeySql } from './meta-columns.ts'
import { partitionPath } from './partition.ts'
import type { HudiTable } from './table.ts'

/** Batches with as many rows are kept as they come until a fragment is written; the rows of smaller ones are copied. */
const ROWS_TO_KEEP = 4096

/** As in the query step that makes Parquet of its result; Hudi's readers do not look into Parquet's bloom filters. */
const PARQUET_OPTIONS = 'USE_TMP_FILE false, DICTIONARY_SIZE_LIMIT 2048, WRITE_BLOOM_FILTER false'

export interface GatheredRowsOptions {
  /** Name of a temporary table; no other sink or lane may have the same. */
  readonly name: string
  readonly stored: StoredSchema
  readonly compression: 'snappy' | 'zstd'
  database(): Promise<LaneDatabase>
}

/** Rows of one directory of the table. */
export interface Partition {
  readonly path: string
  /** The condition that picks them, or nothing when they are all. */
  readonly where: string
}

/** Rows of a lane that are in no file yet, as temporary tables of its database. */
export class GatheredRows {
  readonly #options: GatheredRowsOptions
  /** Table of the rows of small batches. */
  readonly #copies: string
  #rowsCopied = 0
  /** Large batches that are tables. */
  #kept: Batch[] = []
  /** Columns have their stored types already. */
  #isStored = false
  #rows = 0
  #buffer: Buffer | undefined

  constructor(options: GatheredRowsOptions) {
    this.#options = options
    this.#copies = quoteName(options.name)
  }

  get rows(): number {
    return this.#rows
  }

  /** Takes the batch and releases it, large tables when they are cleared. */
  async add(batch: Batch): Promise<void> {
    if (batch.body.kind === 'table' && batch.rows >= ROWS_TO_KEEP) this.#kept.push(batch)
    else {
      try {
        await this.#copy(batch)
      } finally {
        batch.release()
      }
    }
    this.#rows += batch.rows
  }

  /** The directories in which the rows belong. */
  async partitions(table: HudiTable): Promise<readonly Partition[]> {
    if (table.partitionFields.length === 0) return [{ path: '', where: '' }]
    const database = await this.#options.database()
    const texts = table.partitionFields.map((field) => `CAST(${quoteName(field)} AS VARCHAR)`)
    const distinct = `SELECT DISTINCT ${texts.join(', ')} FROM ${this.#relation()} ORDER BY ALL`
    const rows = await encoding(database.run(distinct))
    return rows.map((row) => {
      const values = row.map((value) => (value === null ? null : String(value)))
      // Field by field: joined values of two partitions may look the same.
      const conditions = texts.map((text, field) => `${text} IS NOT DISTINCT FROM ${textOrNull(values[field])}`)
      return {
        path: partitionPath(table, values),
        where: rows.length === 1 ? '' : `WHERE ${conditions.join(' AND ')}`,
      }
    })
  }

  /** The rows of a partition as a Parquet file in memory, which the next call uses again. */
  async fragment({ where }: Partition, table: HudiTable): Promise<Uint8Array> {
    const database = await this.#options.database()
    const items = this.#options.stored.columns.map(({ name, sql }) =>
      this.#isStored ? quoteName(name) : `${sql} AS ${quoteName(name)}`,
    )
    if (table.recordKeyFields.length > 0) items.unshift(recordKeySql(table.recordKeyFields))
    const copy =
      `COPY (SELECT ${items.join(', ')} FROM ${this.#relation()} ${where}) TO ${quoteText(database.output.path)} ` +
      `(FORMAT parquet, COMPRESSION ${this.#options.compression}, ${PARQUET_OPTIONS})`
    return await database.exclusive(async () => {
      await encoding(database.connection.run(copy))
      const { buffer, length } = database.output.read(this.#buffer)
      this.#buffer = buffer
      database.output.shrink()
      return buffer.subarray(0, length)
    })
  }

  /** Forgets the rows. */
  async clear(): Promise<void> {
    for (const batch of this.#kept) batch.release()
    this.#kept = []
    this.#rows = 0
    if (this.#rowsCopied === 0) return
    this.#rowsCopied = 0
    const database = await this.#options.database()
    await database.run(`DROP TABLE IF EXISTS ${this.#copies}`)
  }

  async #copy({ body, rows }: Batch): Promise<void> {
    const database = await this.#options.database()
    this.#isStored = body.kind === 'parquet'
    const into =
      this.#rowsCopied === 0 ? `CREATE OR REPLACE TEMP TABLE ${this.#copies} AS ` : `INSERT INTO ${this.#copies} `
    await encoding(
      database.exclusive(async () => {
        if (body.kind === 'parquet') {
          database.input.write(body.buffer, body.length)
          const columns = this.#columns('as they are')
          await database.connection.run(
            `${into} SELECT ${columns} FROM read_parquet(${quoteText(database.input.path)})`,
          )
        } else await database.connection.run(`${into} SELECT ${this.#columns('incoming')} FROM ${relationOf(body)}`)
      }),
    )
    this.#rowsCopied += rows
  }

  /** The columns of the table, of rows as they come in or of rows that were copied. */
  #columns(rows: 'incoming' | 'as they are'): string {
    const { columns } = this.#options.stored
    const item = (name: string, computed: string | undefined): string =>
      rows === 'as they are' || computed === undefined ? quoteName(name) : `${computed} AS ${quoteName(name)}`
    return columns.map(({ name, computed }) => item(name, computed)).join(', ')
  }

  #relation(): string {
    const selects = this.#kept.map(({ body }) => `SELECT ${this.#columns('incoming')} FROM ${relationOf(body)}`)
    if (this.#rowsCopied > 0) selects.push(`SELECT ${this.#columns('as they are')} FROM ${this.#copies}`)
    return `(${selects.join(' UNION ALL ')})`
  }
}

function relationOf(body: Batch['body']): string {
  assert(body.kind === 'table', 'a hudi sink is given tables or Parquet')
  return quoteName(body.relation)
}

async function encoding<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (thrown) {
    throw encodingFailed(thrown)
  }
}

/** DuckDB's text holds values; its class is enough. */
function encodingFailed(thrown: unknown): MillraceError {
  const error = toMillraceError(thrown)
  if (error.code === 'INTERRUPTED') return error
  const kind = /^[A-Za-z ]{1,40}(?=:)/.exec(error.message)?.[0] ?? 'error'
  const isMachine = /^(IO|Out of Memory|INTERRUPT)/i.test(kind)
  return new MillraceError(
    `writing rows as Parquet: ${kind}; a value does not fit its column's stored type or a partition expression`,
    {
      code: isMachine ? 'UNAVAILABLE' : 'POISON',
      retry: isMachine ? 'restart' : 'halt',
    },
  )
}

function textOrNull(value: string | null | undefined): string {
  return value === null || value === undefined ? 'NULL' : quoteText(value)
}
