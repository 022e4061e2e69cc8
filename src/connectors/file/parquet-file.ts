import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import {
  duckType,
  INTEGER_RANGES,
  openLaneDatabase,
  parseColumnType,
  quoteName,
  quoteText,
  type ColumnType,
  type LaneDatabase,
} from '../../dataplane/index.ts'

const MEMORY_BYTES = 256 * 1024 * 1024

/** Rows that are decoded at once; a window of a larger row group costs decoding what lies before it again. */
const WINDOW_ROWS = 122_880

/** Raised inside a query by `error()`; what follows is the name of the column. */
const NOT_EXACT = 'millrace-not-exact:'

const WINDOW = 'decoded_rows'

/**
 * A Parquet file in a DuckDB of its own: the lane's database, in which the user's SQL runs, may read no files. Rows come
 * out as uncompressed Parquet, which is the cheapest way from one database to another.
 */
export class ParquetFile {
  readonly rows: number
  readonly #database: LaneDatabase
  readonly #path: string
  readonly #select: string
  /** First row of the window that is decoded, and the row behind it. */
  #window = { from: 0, to: 0 }

  private constructor(database: LaneDatabase, path: string, select: string, rows: number) {
    this.#database = database
    this.#path = path
    this.#select = select
    this.rows = rows
  }

  /** @throws MillraceError `SCHEMA` when the file's columns cannot be read as the schema's without loss. */
  static async open(path: string, schema: Schema, metadata: readonly string[]): Promise<ParquetFile> {
    const database = await openLaneDatabase({ memoryLimitBytes: MEMORY_BYTES, readablePaths: [path] })
    try {
      const file = quoteText(path)
      const described = await database.run(`DESCRIBE SELECT * FROM read_parquet(${file})`)
      const types = new Map(described.map(([name, type]) => [String(name), String(type)]))
      const columns = schema.map(({ name, type }) => columnSql(path, name, types.get(name), parseColumnType(type)))
      for (const name of metadata) {
        columns.push(name === '_offset' ? 'file_row_number AS "_offset"' : `${file} AS "_file"`)
      }
      const [counted] = await database.run(`SELECT num_rows FROM parquet_file_metadata(${file})`)
      return new ParquetFile(database, path, columns.join(', '), Number(counted?.[0]))
    } catch (thrown) {
      await database.close()
      throw damaged(path, thrown)
    }
  }

  /** Rows `from` up to `to` as a Parquet file, valid until the next call. */
  async read(from: number, to: number): Promise<Buffer> {
    try {
      if (from < this.#window.from || to > this.#window.to) await this.#decode(from)
      const first = from - this.#window.from
      return await this.#database.exclusive(async () => {
        const { connection, output } = this.#database
        await connection.run(
          `COPY (SELECT * FROM ${WINDOW} WHERE rowid >= ${first} AND rowid < ${first + to - from}) ` +
            `TO ${quoteText(output.path)} (FORMAT parquet, COMPRESSION uncompressed, USE_TMP_FILE false)`,
        )
        const { buffer, length } = output.read(undefined)
        return buffer.subarray(0, length)
      })
    } catch (thrown) {
      throw damaged(this.#path, thrown)
    }
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  async #decode(from: number): Promise<void> {
    const to = Math.min(from + WINDOW_ROWS, this.rows)
    await this.#database.run(
      `CREATE OR REPLACE TEMP TABLE ${WINDOW} AS SELECT ${this.#select} ` +
        `FROM read_parquet(${quoteText(this.#path)}, file_row_number = true) ` +
        `WHERE file_row_number >= ${from} AND file_row_number < ${to}`,
    )
    this.#window = { from, to }
  }
}

function columnSql(path: string, name: string, type: string | undefined, wanted: ColumnType): string {
  if (type === undefined) throw mismatch(path, `it has no column ${name}`)
  const column = quoteName(name)
  if (wanted.kind === 'timestamp' && /^TIMESTAMP(_S|_MS|_NS)?$/.test(type)) {
    // Parquet's milliseconds arrive as microseconds, so each value is looked at, not the type.
    const cast = `CAST(${column} AS ${duckType(wanted)})`
    const isExact = `${column} IS NULL OR CAST(${cast} AS ${type}) = ${column}`
    return `CASE WHEN ${isExact} THEN ${cast} ELSE error(${quoteText(NOT_EXACT + name)}) END AS ${column}`
  }
  if (!isLossless(type, wanted))
    throw mismatch(path, `its column ${name} is ${type}, the schema wants ${duckType(wanted)}`)
  return `CAST(${column} AS ${duckType(wanted)}) AS ${column}`
}

/** Every value of the file's type is one of the wanted type. */
function isLossless(type: string, wanted: ColumnType): boolean {
  if (type === duckType(wanted)) return true
  if (wanted.kind === 'json') return type === 'VARCHAR'
  const given = /^[A-Z0-9_ ]+(\(\d+,\s*\d+\))?$/.test(type) ? parseOrNothing(type) : undefined
  if (given === undefined) return false
  if (given.kind === 'integer' && wanted.kind === 'integer') {
    const [least, greatest] = INTEGER_RANGES[wanted.name]
    return INTEGER_RANGES[given.name][0] >= least && INTEGER_RANGES[given.name][1] <= greatest
  }
  if (given.kind === 'decimal' && wanted.kind === 'decimal') {
    return given.scale <= wanted.scale && given.precision - given.scale <= wanted.precision - wanted.scale
  }
  return given.kind === 'float' && wanted.kind === 'double'
}

function parseOrNothing(type: string): ColumnType | undefined {
  try {
    return parseColumnType(type)
  } catch {
    return undefined
  }
}

function mismatch(path: string, why: string): MillraceError {
  return new MillraceError(`reading ${path}: ${why}`, { code: 'SCHEMA', retry: 'halt', detail: { file: path } })
}

/** DuckDB's message about a file holds no values, but its text may hold statistics: only its class is told. */
function damaged(path: string, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const message = thrown instanceof Error ? thrown.message : ''
  const column = message.split(NOT_EXACT)[1]?.split('\n')[0]
  if (column !== undefined) {
    return new MillraceError(
      `reading ${path}: a value of column ${column} has more digits of a second than the schema's type`,
      { code: 'POISON', retry: 'halt', detail: { file: path, column } },
    )
  }
  const kind = /^[A-Za-z ]{1,40}(?=:)/.exec(message)?.[0] ?? 'error'
  return new MillraceError(`reading ${path} as Parquet failed (${kind}); is the file complete?`, {
    code: 'DECODE',
    retry: 'halt',
    detail: { file: path },
  })
}
