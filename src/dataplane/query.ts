import type { DuckDBPreparedStatement } from '@duckdb/node-api'
import { assert } from '../core/assert.ts'
import { MillraceError } from '../core/errors.ts'
import { CsvLinesScanner } from './csv-lines.ts'
import { describeSelect } from './describe.ts'
import { findFailingRows } from './failing-rows.ts'
import { JsonColumns, emptyJsonColumns } from './json-columns.ts'
import type { LaneDatabase } from './lane-database.ts'
import { NOT_FINITE, SENTINEL_QUOTE, csvSql, csvUncarriableSql, outputSql, type QueryOutput } from './output.ts'
import { relationSql, type InputRelation } from './relation.ts'
import type { BytesPiece } from './bytes-piece.ts'
import type { RowError } from './row-error.ts'
import { quoteName } from './sql-text.ts'
import type { Column } from './types.ts'

export interface QueryDefinition {
  readonly input: InputRelation
  /** A SELECT that `checkSql` accepted; it reads the relation by `input.name`. */
  readonly sql: string
  readonly output: QueryOutput
}

/**
 * What a run gives. `rowsIn - rows` were filtered out. When rows are at fault nothing was written: take them out
 * (`withoutRows`) and run again, except for those that were left out because the caller said so.
 */
export type QueryResult =
  | {
      readonly ok: true
      readonly buffer: Buffer
      readonly length: number
      readonly rows: number
      readonly leftOut?: readonly RowError[]
    }
  | { readonly ok: false; readonly errors: readonly RowError[] }

const EMPTY = Buffer.alloc(0)
const COMMA = 0x2c
const NEWLINE = 0x0a

/**
 * Plans a query of a lane; it is planned once and run for every piece of rows.
 *
 * @throws MillraceError `CONFIG` when the SQL does not fit the relation.
 */
export async function openQuery(database: LaneDatabase, definition: QueryDefinition): Promise<Query> {
  const { input } = definition
  if (input.columns.length === 0) throw planFailed(input.name, 'the relation has no columns')
  refuseTwins(input)
  const relation = relationSql(input, database.input.path)
  const body = definition.sql.trim().replace(/;\s*$/, '')
  const select = `WITH ${quoteName(input.name)} AS NOT MATERIALIZED (${relation}) SELECT * FROM (${body}\n)`
  return database.exclusive(async () => {
    // DuckDB looks into the file when it plans; what another query left there may be of another form.
    database.input.writeParts(input.format === 'ndjson' ? emptyJsonColumns(input.columns) : [])
    try {
      return await planQuery(database, definition, select)
    } catch (error) {
      // There are no rows yet, so DuckDB's own words hold no values.
      throw error instanceof MillraceError ? error : planFailed(input.name, firstLine(error), error)
    }
  })
}

async function planQuery(database: LaneDatabase, definition: QueryDefinition, select: string): Promise<Query> {
  const { connection } = database
  const { output } = definition
  const columns = await describeSelect(connection, select)
  // The next step is planned over this table before the first rows are in it.
  if (output.format === 'table') await connection.run(outputSql(`${select} LIMIT 0`, columns, output, ''))
  const statement = await connection.prepare(outputSql(select, columns, output, database.output.path))
  return new Query(database, definition, select, columns, statement)
}

/** DuckDB would call the second one by another name, and a query that names it would read the first. */
function refuseTwins({ name, columns }: InputRelation): void {
  const seen = new Set<string>()
  for (const column of columns) {
    const lower = column.name.toLowerCase()
    if (seen.has(lower)) {
      throw planFailed(name, `SQL cannot tell two columns called ${JSON.stringify(column.name)} in any case apart`)
    }
    seen.add(lower)
  }
}

function planFailed(name: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError(`planning the SQL over ${JSON.stringify(name)}: ${what}`, { code: 'CONFIG', cause })
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
}

/** A planned query: bytes in, SQL, bytes out. */
export class Query {
  /** The columns that come out. */
  readonly columns: readonly Column[]
  readonly #database: LaneDatabase
  readonly #definition: QueryDefinition
  readonly #select: string
  readonly #statement: DuckDBPreparedStatement
  readonly #json: JsonColumns | undefined
  readonly #csv: CsvLinesScanner | undefined

  constructor(
    database: LaneDatabase,
    definition: QueryDefinition,
    select: string,
    columns: readonly Column[],
    statement: DuckDBPreparedStatement,
  ) {
    this.#database = database
    this.#definition = definition
    this.#select = select
    this.columns = columns
    this.#statement = statement
    const { input } = definition
    this.#json = input.format === 'ndjson' ? new JsonColumns(input.columns) : undefined
    this.#csv = input.format === 'csv' ? new CsvLinesScanner(input.columns, input.csv) : undefined
  }

  /**
   * Runs the query over one piece of rows (nothing to hand in for `parquet` and `table` inputs). The result is written
   * into `target`, or into a new buffer when that is too small. With `leavesOut`, rows that cannot be decoded may be left
   * out of it in the same pass.
   *
   * @throws MillraceError `POISON` when the query fails and no single row can be named, `INTERRUPTED` when closed.
   */
  run(piece?: BytesPiece, target?: Buffer, leavesOut = false): Promise<QueryResult> {
    return this.#database.exclusive(async () => {
      if (piece === undefined) return this.#executeStored(target)
      const handed = this.#handOver(piece, leavesOut)
      return handed.ok ? this.#executeOn(piece, target, handed.leftOut) : handed
    })
  }

  close(): void {
    this.#statement.destroySync()
  }

  async #executeStored(target: Buffer | undefined): Promise<QueryResult> {
    const { format, name } = this.#definition.input
    assert(format === 'table' || format === 'parquet', `a query over ${format} rows needs a piece of them`)
    try {
      return await this.#execute(target)
    } catch (error) {
      throw queryFailed(error, name)
    }
  }

  /** Checks the rows and puts them where DuckDB reads them. */
  #handOver({ buffer, length, rows }: BytesPiece, leavesOut: boolean): HandedOver {
    const { input } = this.#database
    if (this.#json === undefined) {
      const scanned = this.#csv?.scan(buffer, length, rows)
      if (scanned?.ok === false) return scanned
      input.write(buffer, length)
      return NOTHING_LEFT_OUT
    }
    const decoded = this.#json.decode(buffer, length, rows, leavesOut)
    if (decoded.ok) input.writeParts(decoded.parts)
    return decoded
  }

  async #executeOn(piece: BytesPiece, target: Buffer | undefined, leftOut: readonly RowError[]): Promise<QueryResult> {
    if (piece.rows === 0) return { ok: true, buffer: target ?? EMPTY, length: 0, rows: 0 }
    try {
      const made = await this.#execute(target)
      return leftOut.length === 0 ? made : { ...made, leftOut }
    } catch (error) {
      if (!isDataError(error)) throw queryFailed(error, this.#definition.input.name)
      // Rows are looked for among those that can be decoded.
      if (leftOut.length > 0) return { ok: false, errors: leftOut }
      const errors = await findFailingRows(piece, async (part) => {
        try {
          assert(this.#handOver(part, false).ok, 'rows that passed the scanner pass it again')
          await this.#execute(undefined)
          return undefined
        } catch (inner) {
          if (!isDataError(inner)) throw queryFailed(inner, this.#definition.input.name)
          return faultOf(inner)
        }
      })
      if (errors.length === 0) throw queryFailed(error, this.#definition.input.name)
      return { ok: false, errors }
    }
  }

  async #execute(target: Buffer | undefined): Promise<QueryResult & { ok: true }> {
    const rows = await countOf(this.#statement)
    const { output } = this.#definition
    if (output.format === 'table') return { ok: true, buffer: target ?? EMPTY, length: 0, rows }
    let result = this.#database.output.read(target)
    if (output.format === 'json-array') replaceLineEnds(result.buffer, result.length)
    if (output.format === 'csv' && output.special === 'refuse' && hasSentinel(result)) {
      result = await this.#rewriteUnquoted(output, result.buffer)
    }
    this.#database.output.shrink()
    return { ok: true, ...result, rows }
  }

  /** DuckDB quoted something. When the form can carry it as it is (a `\r`, our own quote), it is written unquoted. */
  async #rewriteUnquoted(
    output: QueryOutput & { format: 'csv' },
    target: Buffer,
  ): Promise<{ buffer: Buffer; length: number }> {
    const { connection } = this.#database
    const counted = await connection.runAndReadAll(csvUncarriableSql(this.#select, this.columns, output))
    if (Number(counted.getRows()[0]?.[0]) > 0) throw new UncarriableError()
    await connection.run(csvSql(this.#select, this.columns, output, this.#database.output.path, ''))
    return this.#database.output.read(target)
  }
}

type HandedOver =
  | { readonly ok: true; readonly leftOut: readonly RowError[] }
  | { readonly ok: false; readonly errors: readonly RowError[] }

const NOTHING_LEFT_OUT: HandedOver = { ok: true, leftOut: [] }

class UncarriableError extends Error {
  override readonly message = 'a value holds the separator, a line end or is equal to the NULL text'
}

async function countOf(statement: DuckDBPreparedStatement): Promise<number> {
  const result = await statement.runAndReadAll()
  return Number(result.getRows()[0]?.[0] ?? 0)
}

function hasSentinel({ buffer, length }: { buffer: Buffer; length: number }): boolean {
  const at = buffer.indexOf(SENTINEL_QUOTE)
  return at !== -1 && at < length
}

function replaceLineEnds(buffer: Buffer, length: number): void {
  for (let at = buffer.indexOf(NEWLINE); at !== -1 && at < length; at = buffer.indexOf(NEWLINE, at + 1)) {
    buffer[at] = COMMA
  }
}

/** Errors that a value can cause. Everything else (memory, files, a closed database) is no row's fault. */
const DATA_ERRORS = /^(Conversion|Invalid Input|Out of Range|Invalid|Parameter Not Resolved|Constraint) Error/

function isDataError(error: unknown): boolean {
  return error instanceof UncarriableError || (error instanceof Error && DATA_ERRORS.test(error.message))
}

/** The class of a data error, without DuckDB's text: that holds the value. */
function faultOf(error: unknown): { column: string; reason: string } {
  if (error instanceof UncarriableError) return { column: '', reason: error.message }
  const message = error instanceof Error ? error.message : ''
  const at = message.indexOf(NOT_FINITE)
  if (at !== -1) {
    const column = message.slice(at + NOT_FINITE.length).split('\n')[0] ?? ''
    return { column, reason: 'NaN or infinite number' }
  }
  return { column: '', reason: `the SQL fails on this row (${message.slice(0, message.indexOf(':'))})` }
}

/** Errors of the machine, not of the data; their text holds sizes and paths but no values. */
const MACHINE_ERRORS = /^(IO|Out of Memory) Error: /

function queryFailed(error: unknown, name: string): unknown {
  if (error instanceof MillraceError) return error
  const message = error instanceof Error ? error.message : String(error)
  const doing = `running the SQL over rows of ${JSON.stringify(name)}`
  if (MACHINE_ERRORS.test(message)) {
    return new MillraceError(`${doing}: ${message.split('\n')[0]}`, { code: 'UNAVAILABLE', retry: 'restart' })
  }
  const kind = message.slice(0, Math.max(0, message.indexOf(':'))) || 'the query failed'
  return new MillraceError(`${doing}: ${kind}, and no single row causes it; \`millrace check\` plans the SQL`, {
    code: 'POISON',
  })
}
