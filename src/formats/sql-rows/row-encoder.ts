import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { parseColumnType, quoteName, quoteText, type LaneDatabase } from '../../dataplane/index.ts'
import { columnAt, NULL_KEY, WRONG_OP, type SqlText } from './sql-text.ts'
import { NOT_A_NUMBER } from './sql-text.ts'

/** How the rows of a table become texts for statements. */
export interface RowLayout {
  readonly text: SqlText
  /** What the rows have. */
  readonly schema: Schema
  /** Columns of the unique key; empty: rows have none, and their key texts are empty. */
  readonly key: readonly string[]
  /** The fields of a row text in their order; a field of none of our columns is left out of the statement as NULL. */
  readonly fields: readonly string[]
  /** Column that says 0 (put) or 1 (delete), if the rows have one. */
  readonly op: string | undefined
}

/** Encoded rows: `<bytes of key> <bytes of row> <op> <key><row>\n`, one behind the other. See `RowCursor`. */
export interface EncodedRows {
  readonly buffer: Buffer
  readonly length: number
  /** Rows that are not among them, because a later one of the batch has their key. */
  readonly superseded: number
}

/** With fewer rows a look for equal keys costs more than it saves. */
const FOLDED_ROWS_MIN = 512
/** The look costs about a quarter of what a text does: worth it where so many rows go. */
const WORTH_IT = 0.3
/** Batches that are encoded whole after one in which nearly every row had a key of its own. */
const UNFOLDED_BATCHES = 31

/** Turns tables of the lane's DuckDB into texts of rows, with every digit, in one pass of its vector engine. */
export class RowEncoder {
  readonly #database: LaneDatabase
  readonly #layout: RowLayout
  #target: Buffer | undefined
  /** Batches to come whose rows are not compared with each other. */
  #unfolded = 0

  constructor(database: LaneDatabase, layout: RowLayout) {
    this.#database = database
    this.#layout = layout
  }

  /** The rows of a batch. They are good until the next call. The caller releases the batch. */
  async encode({ body, rows }: Batch): Promise<EncodedRows> {
    assert(body.kind === 'table', 'rows for SQL statements come as a table')
    const { output } = this.#database
    const isFolded = this.#isFoldDue(rows)
    const from = isFolded ? lastOfEachKey(this.#layout.key, body.relation) : quoteName(body.relation)
    const sql = `COPY (${selectLines(this.#layout, from)}) TO ${quoteText(output.path)} (${LINES})`
    return await this.#database.exclusive(async () => {
      const superseded = rows - (await this.#copy(sql))
      assert(superseded === 0 || (isFolded && superseded < rows), 'every row of a batch is encoded, or a later one')
      if (isFolded && superseded < rows * WORTH_IT) this.#unfolded = UNFOLDED_BATCHES
      const { buffer, length } = output.read(this.#target)
      output.shrink()
      this.#target = buffer
      return { buffer, length, superseded }
    })
  }

  #isFoldDue(rows: number): boolean {
    if (this.#layout.key.length === 0 || rows < FOLDED_ROWS_MIN) return false
    return this.#unfolded === 0 || --this.#unfolded === 0
  }

  async #copy(sql: string): Promise<number> {
    try {
      const copied = await this.#database.connection.runAndReadAll(sql)
      return Number(copied.getRows()[0]?.[0])
    } catch (thrown) {
      throw encodeError(thrown)
    }
  }
}

/** Of rows with the same key the last one, in their order: nobody would see the others. */
function lastOfEachKey(key: readonly string[], relation: string): string {
  const rows = quoteName(relation)
  return `(SELECT * FROM ${rows} WHERE rowid IN (SELECT max(rowid) FROM ${rows} GROUP BY ${key.map(quoteName).join(', ')}))`
}

/** Opens encoders for a server's texts in the database of a lane, which core hands on without knowing it. */
export function openRowTexts(
  text: SqlText,
): (context: LaneContext, layout: Omit<RowLayout, 'text' | 'schema'>) => Promise<RowEncoder> {
  return async (context, layout) => {
    const { schema } = context
    assert(schema !== undefined, 'the plan knows the schema of rows that are encoded')
    return new RowEncoder((await context.database()) as LaneDatabase, { ...layout, text, schema })
  }
}

/** One column of finished lines, written as they are. */
const LINES = `FORMAT csv, HEADER false, DELIMITER '\x02', QUOTE '', ESCAPE '', USE_TMP_FILE false`

/** `from`: a relation as it stands in SQL. */
export function selectLines({ text, schema, key, fields, op }: RowLayout, from: string): string {
  const field = (name: string): string => {
    const column = schema.find((one) => one.name === name)
    return column === undefined ? quoteText(text.missing) : text.field(columnAt(column, parseColumnType(column.type)))
  }
  const keyField = (name: string): string =>
    `CASE WHEN ${quoteName(name)} IS NULL THEN error(${quoteText(NULL_KEY + name)}) ELSE ${field(name)} END`
  const keyParts = text.isKeyWhole
    ? fields.map((name) => (key.includes(name) ? keyField(name) : ''))
    : key.map(keyField)
  const keyText = key.length === 0 ? "''" : joined(keyParts)
  const row = joined(fields.map(field))
  const opText =
    op === undefined
      ? "'0'"
      : `CASE ${quoteName(op)} WHEN 0 THEN '0' WHEN 1 THEN '1' ELSE error(${quoteText(WRONG_OP + op)}) END`
  return (
    `SELECT concat(strlen(k), ' ', strlen(v), ' ', o, ' ', k, v) FROM ` +
    `(SELECT ${keyText} AS k, ${row} AS v, ${opText} AS o FROM ${from})`
  )
}

function joined(parts: readonly string[]): string {
  return `concat(${parts.map((part) => (part === '' ? "''" : part)).join(", ',', ")})`
}

/** Without DuckDB's words, which may hold values. */
function encodeError(thrown: unknown): unknown {
  if (thrown instanceof MillraceError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  for (const [mark, what] of [
    [NULL_KEY, 'NULL in the key column'],
    [NOT_A_NUMBER, 'NaN or an infinite number, which the server cannot store, in the column'],
    [WRONG_OP, 'something else than 0 (put) or 1 (delete) in the column'],
  ] as const) {
    const at = message.indexOf(mark)
    if (at === -1) continue
    const column = message.slice(at + mark.length).split('\n')[0] ?? ''
    return new MillraceError(`encoding rows for SQL statements: ${what} ${column}`, { code: 'POISON' })
  }
  return thrown
}
