import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { openQuery, parseColumnType, quoteName, type LaneDatabase, type Query } from '../../dataplane/index.ts'
import { selectLines, type EncodedRows, type RowLayout } from './row-encoder.ts'
import type { SqlText } from './sql-text.ts'

const RELATION = '__rows'
const DOCUMENTS = '__documents'

/** Where encoders of a lane write, one after the other. */
interface Target {
  buffer: Buffer | undefined
}

/** Turns JSON lines of one form into texts of rows, in one pass. */
export class JsonTexts {
  readonly #query: Query
  readonly #target: Target
  readonly #table: string

  constructor(query: Query, target: Target, table: string) {
    this.#query = query
    this.#target = target
    this.#table = table
  }

  /** The rows of a batch. They are good until any encoder of the lane is called. The caller releases the batch. */
  async encode({ body, rows, table }: Batch): Promise<EncodedRows> {
    assert(body.kind === 'bytes', 'rows of several tables come as JSON lines')
    const result = await this.#query.run({ buffer: body.buffer, length: body.length, rows }, this.#target.buffer)
    if (!result.ok) {
      const [first] = result.errors
      const column = first === undefined || first.column === '' ? '' : `, column ${first.column}`
      throw new MillraceError(
        `encoding rows of ${table?.id ?? this.#table} for SQL statements: ${result.errors.length} of ${rows} cannot be: ${first?.reason ?? ''}${column}`,
        { code: 'POISON', detail: { rows: result.errors.length } },
      )
    }
    assert(result.rows === rows, 'every row of a batch is encoded')
    this.#target.buffer = result.buffer
    return { buffer: result.buffer, length: result.length, superseded: 0 }
  }

  close(): void {
    this.#query.close()
  }
}

/** Opens encoders for a server's texts, one for each form of rows; they share a buffer. */
export function openJsonTexts(
  text: SqlText,
): (context: LaneContext) => (layout: Omit<RowLayout, 'text'>) => Promise<JsonTexts> {
  return (context) => {
    const target: Target = { buffer: undefined }
    return async (layout) => {
      const columns = layout.schema.map(({ name, type }) => ({ name, type: typeOf(type), nullable: true }))
      const schema = layout.schema.map((column) => ({
        ...column,
        type: isKnown(column.type) ? column.type : 'varchar',
      }))
      const query = await openQuery((await context.database()) as LaneDatabase, {
        input: { format: 'ndjson', name: RELATION, columns },
        sql: documentsSql(schema) + selectLines({ ...layout, text, schema }, DOCUMENTS),
        output: { format: 'lines' },
      })
      return new JsonTexts(query, target, context.id)
    }
  }
}

/** Sources give documents as they are or, as texts, once more in quotes: a string is the text of a document. */
function documentsSql(schema: Schema): string {
  const documents = schema
    .filter(({ type }) => parseColumnType(type).kind === 'json')
    .map(({ name }) => quoteName(name))
  const plain = documents.map(
    (column) =>
      `CASE json_type(${column}) WHEN 'VARCHAR' THEN ${column}->>'$' ELSE CAST(${column} AS VARCHAR) END AS ${column}`,
  )
  const columns = plain.length === 0 ? '*' : `* REPLACE (${plain.join(', ')})`
  return `WITH ${DOCUMENTS} AS (SELECT ${columns} FROM ${RELATION}) `
}

/** Types that only their source knows arrive as texts. */
function typeOf(type: string): ReturnType<typeof parseColumnType> {
  return isKnown(type) ? parseColumnType(type) : { kind: 'varchar' }
}

function isKnown(type: string): boolean {
  try {
    parseColumnType(type)
    return true
  } catch {
    return false
  }
}
