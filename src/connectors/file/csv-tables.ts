import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import {
  openQuery,
  parseColumnType,
  quoteName,
  withoutRows,
  type BytesPiece,
  type Column,
  type LaneDatabase,
  type Query,
} from '../../dataplane/index.ts'
import { splitCsvRecord, type CsvField } from './csv-record.ts'
import { CsvRecords, type LettersOfRecords } from './csv-records.ts'
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
  readonly #letters: LettersOfRecords

  private constructor(parts: {
    readonly database: LaneDatabase
    readonly schema: Schema
    readonly columns: readonly Column[]
    readonly metadata: readonly string[]
    readonly dialect: CsvDialect
    readonly decoded: string
    readonly query: Query
    readonly letters: LettersOfRecords
  }) {
    this.#database = parts.database
    this.#schema = parts.schema
    this.#columns = parts.columns
    this.#metadata = parts.metadata
    this.#dialect = parts.dialect
    this.#decoded = parts.decoded
    this.#query = parts.query
    this.#letters = parts.letters
  }

  /** `metadata` are the columns `_file` and `_offset` that the plan uses.
   * The tables have them beside the columns of the schema, for the queries that name them. */
  static async open(
    database: LaneDatabase,
    schema: Schema,
    dialect: CsvDialect,
    metadata: readonly string[],
    letters: LettersOfRecords,
  ): Promise<CsvTables> {
    const all = [...schema, ...metadataSchema(metadata)]
    const columns = all.map(({ name, type, nullable }) => ({ name, type: parseColumnType(type), nullable }))
    const decoded = newTableName()
    const query = await openQuery(database, {
      input: { format: 'ndjson', name: 'records', columns },
      sql: 'SELECT * FROM records',
      output: { format: 'table', table: decoded },
    })
    return new CsvTables({ database, schema, columns, metadata, dialect, decoded, query, letters })
  }

  /**
   * Takes over the batch. Records that do not fit the schema stand beside the rows where the lane puts those aside.
   *
   * @throws MillraceError `POISON` with file, byte and column of such a record where it does not.
   */
  async decode(batch: Batch, path: string): Promise<Batch> {
    try {
      const { body } = batch
      assert(body.kind === 'bytes', 'CSV is cut as bytes')
      const records = new CsvRecords(batch, body, path, this.#letters)
      let piece = this.#jsonLines(records)
      while (piece.rows > 0) {
        const result = await this.#query.run(piece)
        if (result.ok) break
        records.takeOut(result.errors)
        piece = withoutRows(piece, result.errors).rest
      }
      if (piece.rows === 0) return { ...records.place, body: EMPTY, release() {} }
      const relation = newTableName()
      await this.#database.run(`ALTER TABLE ${quoteName(this.#decoded)} RENAME TO ${quoteName(relation)}`)
      return tableBatch(this.#database, relation, this.#schema, records.place, records.metadata)
    } finally {
      batch.release()
    }
  }

  close(): void {
    this.#query.close()
  }

  #jsonLines(records: CsvRecords): BytesPiece {
    const file = JSON.stringify(records.path)
    const keys = this.#columns.map(({ name }, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)
    const width = this.#columns.length - this.#metadata.length
    let lines = ''
    let rows = 0
    for (const { text, offset } of records) {
      const values = this.#valuesOf(text, width)
      if (typeof values === 'string') {
        records.fault(values)
        continue
      }
      values.forEach((json, index) => (lines += `${keys[index]}${json}`))
      this.#metadata.forEach((name, index) => (lines += `${keys[width + index]}${name === '_offset' ? offset : file}`))
      lines += '}\n'
      rows++
    }
    const buffer = Buffer.from(lines)
    return { buffer, length: buffer.length, rows }
  }

  /** The fields of a record as JSON, or what is wrong with it. */
  #valuesOf(record: string | undefined, width: number): readonly string[] | string {
    if (record === undefined) return 'invalid UTF-8'
    const fields = splitCsvRecord(record, this.#dialect)
    if (fields === undefined) return 'a quoted field does not end before a delimiter or the line end'
    if (fields.length !== width) return `the record has ${fields.length} fields, the schema has ${width} columns`
    const values: string[] = []
    for (const [index, field] of fields.entries()) {
      const json = this.#jsonOf(field, this.#columns[index]?.type.kind)
      if (json === undefined) return `column ${this.#columns[index]?.name}: broken JSON`
      values.push(json)
    }
    return values
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

const EMPTY = { kind: 'bytes', buffer: Buffer.alloc(0), length: 0, separator: 0x0a } as const

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
