import { isUtf8 } from 'node:buffer'
import { assert } from '../../core/assert.ts'
import type { Batch, BytesBody } from '../../core/batch.ts'
import type { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import {
  openQuery,
  parseColumnType,
  quoteName,
  type Column,
  type LaneDatabase,
  type Query,
} from '../../dataplane/index.ts'
import { splitCsvRecord, type CsvField } from './csv-record.ts'
import { poison } from './cut-lines.ts'
import type { CsvDialect } from './options.ts'
import { newTableName, tableBatch } from './table-batch.ts'

/**
 * Decodes CSV records of the file's own dialect into tables of the lane's DuckDB. CSV never travels further as bytes,
 * because the next one may mean another dialect by it. Fields go to DuckDB as JSON text: its CSV reader takes no line
 * ends inside of quotes when the pieces are cut by somebody else, and JSON passes the same checks of values.
 */
export class CsvTables {
  readonly #database: LaneDatabase
  readonly #schema: Schema
  readonly #columns: readonly Column[]
  readonly #dialect: CsvDialect
  readonly #metadata: readonly string[]
  readonly #decoded: string
  readonly #query: Query

  private constructor(parts: {
    readonly database: LaneDatabase
    readonly schema: Schema
    readonly columns: readonly Column[]
    readonly metadata: readonly string[]
    readonly dialect: CsvDialect
    readonly decoded: string
    readonly query: Query
  }) {
    this.#database = parts.database
    this.#schema = parts.schema
    this.#columns = parts.columns
    this.#metadata = parts.metadata
    this.#dialect = parts.dialect
    this.#decoded = parts.decoded
    this.#query = parts.query
  }

  /** `metadata` are the columns `_file` and `_offset` that the plan uses.
   * The tables have them beside the columns of the schema, for the queries that name them. */
  static async open(
    database: LaneDatabase,
    schema: Schema,
    dialect: CsvDialect,
    metadata: readonly string[],
  ): Promise<CsvTables> {
    const all = [...schema, ...metadataSchema(metadata)]
    const columns = all.map(({ name, type, nullable }) => ({ name, type: parseColumnType(type), nullable }))
    const decoded = newTableName()
    const query = await openQuery(database, {
      input: { format: 'ndjson', name: 'records', columns },
      sql: 'SELECT * FROM records',
      output: { format: 'table', table: decoded },
    })
    return new CsvTables({ database, schema, columns, metadata, dialect, decoded, query })
  }

  /**
   * Takes over the batch.
   *
   * @throws MillraceError `POISON` with file, byte and column of a record that does not fit the schema.
   */
  async decode(batch: Batch, path: string): Promise<Batch> {
    try {
      const { body, rows } = batch
      assert(body.kind === 'bytes', 'CSV is cut as bytes')
      const fault = (row: number, reason: string): MillraceError =>
        poison({ path, offset: 0 }, Number(body.metadata?.offset?.[row] ?? 0n), reason)
      const lines = this.#jsonLines(body, rows, path, fault)
      const result = await this.#query.run({ buffer: lines, length: lines.length, rows })
      if (!result.ok) {
        const [first] = result.errors
        const column = first?.column ? `column ${first.column}: ` : ''
        throw fault(first?.row ?? 0, `${column}${first?.reason ?? 'the record cannot be decoded'}`)
      }
      const relation = newTableName()
      await this.#database.run(`ALTER TABLE ${quoteName(this.#decoded)} RENAME TO ${quoteName(relation)}`)
      const place = { ...batch, rows: result.rows }
      return tableBatch(this.#database, relation, this.#schema, place, body.metadata)
    } finally {
      batch.release()
    }
  }

  close(): void {
    this.#query.close()
  }

  #jsonLines(
    { buffer, length, ends, metadata }: BytesBody,
    rows: number,
    path: string,
    fault: (row: number, reason: string) => MillraceError,
  ): Buffer {
    const isText = isUtf8(buffer.subarray(0, length))
    const file = JSON.stringify(path)
    const keys = this.#columns.map(({ name }, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)
    const width = this.#columns.length - this.#metadata.length
    let lines = ''
    let start = 0
    for (let row = 0; row < rows; row++) {
      const end = ends?.[row] ?? length
      if (!isText && !isUtf8(buffer.subarray(start, end))) throw fault(row, 'invalid UTF-8')
      const fields = splitCsvRecord(buffer.toString('utf8', start, end), this.#dialect)
      if (fields.length !== width) {
        throw fault(row, `the record has ${fields.length} fields, the schema has ${width} columns`)
      }
      fields.forEach((field, index) => {
        const json = this.#jsonOf(field, this.#columns[index]?.type.kind)
        if (json === undefined) throw fault(row, `column ${this.#columns[index]?.name}: broken JSON`)
        lines += `${keys[index]}${json}`
      })
      this.#metadata.forEach((name, index) => {
        lines += `${keys[width + index]}${name === '_offset' ? metadata?.offset?.[row] : file}`
      })
      lines += '}\n'
      start = end + 1
    }
    return Buffer.from(lines)
  }

  /** Numbers, moments and the like may stand in quotes; what is no such value is refused by the scanner. */
  #jsonOf({ text, isQuoted }: CsvField, kind: Column['type']['kind'] | undefined): string | undefined {
    if (!isQuoted && text === this.#dialect.null) return 'null'
    if (kind === 'boolean' && /^(true|false)$/i.test(text)) return text.toLowerCase()
    // Line ends can only be white space of the document: inside of its strings JSON escapes them.
    if (kind === 'json' && !isJson(text)) return undefined
    if (kind === 'json') return text.replaceAll(/[\r\n]/g, ' ')
    return JSON.stringify(text)
  }
}

/** A document goes into the row as it is, so it must be one and nothing more. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Columns of the tables beside those of the schema. */
function metadataSchema(metadata: readonly string[]): Schema {
  return metadata.map((name) => ({ name, type: name === '_offset' ? 'bigint' : 'varchar', nullable: false }))
}
