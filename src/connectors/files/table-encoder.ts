import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import {
  openQuery,
  ParquetAppender,
  parseColumnType,
  duckType,
  quoteName,
  type Column,
  type LaneDatabase,
  type Query,
  type QueryOutput,
} from '../../dataplane/index.ts'
import { FrameCompressor, type FileEncoder } from './encoder.ts'
import type { CsvLayout, FilesLayout } from './options.ts'

/** Rows of a Parquet row group: DuckDB's own size. */
const GROUP_ROWS = 120_000

/** Gathering tables get names of their own: the file of a checkpoint may be ending while the next one begins. */
let tables = 0

/** Gathers rows in a temporary table of the lane's DuckDB, and encodes them from there. */
class TableGatherer {
  readonly #database: LaneDatabase
  readonly #columns: readonly Column[]
  readonly #table: string
  readonly #query: Query
  #rows = 0

  private constructor(database: LaneDatabase, columns: readonly Column[], table: string, query: Query) {
    this.#database = database
    this.#columns = columns
    this.#table = table
    this.#query = query
  }

  static async open(database: LaneDatabase, schema: Schema, output: QueryOutput): Promise<TableGatherer> {
    const columns: Column[] = schema.map(({ name, type, nullable }) => ({
      name,
      type: parseColumnType(type),
      nullable,
    }))
    const table = `gathered for files ${++tables}`
    const typed = columns.map(({ name, type }) => `${quoteName(name)} ${duckType(type)}`)
    await database.run(`CREATE TEMP TABLE ${quoteName(table)} (${typed.join(', ')})`)
    const input = { format: 'table', name: 'gathered', columns, table } as const
    return new TableGatherer(
      database,
      columns,
      table,
      await openQuery(database, { input, sql: 'SELECT * FROM gathered', output }),
    )
  }

  get rows(): number {
    return this.#rows
  }

  async add({ body, rows }: Batch): Promise<void> {
    assert(body.kind === 'table', 'the files sink asked for tables')
    // By name: a source's tables may have metadata columns beside those of the schema.
    const names = this.#columns.map(({ name }) => quoteName(name)).join(', ')
    await this.#database.run(
      `INSERT INTO ${quoteName(this.#table)} (${names}) SELECT ${names} FROM ${quoteName(body.relation)}`,
    )
    this.#rows += rows
  }

  /** The gathered rows encoded; the next ones begin anew. */
  async take(): Promise<Buffer> {
    const result = await this.#query.run().catch((thrown: unknown) => {
      throw thrown instanceof MillraceError ? thrown : notWritable()
    })
    if (!result.ok || result.rows !== this.#rows) throw notWritable()
    await this.#database.run(`DELETE FROM ${quoteName(this.#table)}`)
    this.#rows = 0
    return result.buffer.subarray(0, result.length)
  }

  async close(): Promise<void> {
    this.#query.close()
    await this.#database.run(`DROP TABLE IF EXISTS ${quoteName(this.#table)}`)
  }
}

/** Row groups are encoded as they fill and appended to one file without being decoded again. */
export class ParquetEncoder implements FileEncoder {
  readonly #rows: TableGatherer
  readonly #file = new ParquetAppender()

  private constructor(rows: TableGatherer) {
    this.#rows = rows
  }

  static async open(
    database: LaneDatabase,
    schema: Schema,
    compression: (FilesLayout & { kind: 'parquet' })['compression'],
  ): Promise<ParquetEncoder> {
    return new ParquetEncoder(await TableGatherer.open(database, schema, { format: 'parquet', compression }))
  }

  async add(batch: Batch): Promise<readonly Uint8Array[]> {
    await this.#rows.add(batch)
    return this.#rows.rows < GROUP_ROWS ? [] : this.#file.append(await this.#rows.take())
  }

  async finish(): Promise<readonly Uint8Array[]> {
    const last = this.#rows.rows === 0 ? [] : this.#file.append(await this.#rows.take())
    return [...last, this.#file.finish()]
  }

  async close(): Promise<void> {
    await this.#rows.close()
  }
}

/** CSV with quotes where they are needed; an empty text is `""` where NULL is nothing. */
export class CsvEncoder implements FileEncoder {
  readonly #rows: TableGatherer
  readonly #compressor: FrameCompressor
  #header: Buffer

  private constructor(rows: TableGatherer, compressor: FrameCompressor, header: Buffer) {
    this.#rows = rows
    this.#compressor = compressor
    this.#header = header
  }

  static async open(
    database: LaneDatabase,
    schema: Schema,
    compression: 'none' | 'gzip' | 'zstd',
    csv: CsvLayout,
  ): Promise<CsvEncoder> {
    const rows = await TableGatherer.open(database, schema, {
      format: 'csv',
      separator: csv.delimiter,
      nullText: csv.null,
      special: 'quote',
    })
    const names = schema.map(({ name }) => quoteField(name, csv.delimiter)).join(csv.delimiter)
    return new CsvEncoder(rows, new FrameCompressor(compression), Buffer.from(csv.header ? `${names}\n` : ''))
  }

  async add(batch: Batch): Promise<readonly Uint8Array[]> {
    await this.#rows.add(batch)
    const header = await this.#compressor.add(this.#header)
    this.#header = Buffer.alloc(0)
    return [...header, ...(await this.#compressor.add(await this.#rows.take()))]
  }

  async finish(): Promise<readonly Uint8Array[]> {
    return await this.#compressor.finish()
  }

  async close(): Promise<void> {
    await this.#rows.close()
  }
}

function quoteField(name: string, delimiter: string): string {
  return name.includes(delimiter) || /["\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name
}

function notWritable(): MillraceError {
  return new MillraceError('encoding rows for a file: a value cannot be written (NaN or an infinite number in CSV?)', {
    code: 'POISON',
    retry: 'halt',
  })
}
