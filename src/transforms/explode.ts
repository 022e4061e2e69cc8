import { randomUUID } from 'node:crypto'
import { assert } from '../core/assert.ts'
import type { Batch } from '../core/batch.ts'
import type { Schema } from '../core/schema.ts'
import { openQuery, quoteName, type Column, type LaneDatabase, type Query } from '../dataplane/index.ts'
import { columnsOf } from './columns.ts'
import { jsonElements } from './json-elements.ts'
import type { LaneOperator, OperatorContext, OperatorOutput } from './operator.ts'
import { poisonError, type RecordFault } from './record-place.ts'
import { computing, makeTable, newTableName, tableBatch } from './step-tables.ts'

/** What the explode operator needs of its step in the plan (`ExplodeStep`). */
export interface ExplodeWork {
  readonly id: string
  readonly input: Schema
  readonly schema: Schema
  readonly list: string
  readonly elements: Schema
  readonly isWhole: boolean
  readonly position?: string
  readonly keepsEmpty: boolean
}

/** Elements are decoded in pieces of about so many characters. */
const PIECE_CHARACTERS = 2 * 1024 * 1024

/** Lines of JSON, one for each element, and the rows of the batch that they come from. */
interface Piece {
  readonly lines: string[]
  readonly rows: number[]
}

/**
 * Makes a row of each element of a JSON array. Elements are cut out as they are written and decoded like the records of a
 * source, so that their values are as exact, and what does not fit its type is a fault of the record.
 */
export function createExplodeOperator(work: ExplodeWork, context: OperatorContext): LaneOperator {
  return new ExplodeOperator(work, context)
}

class ExplodeOperator implements LaneOperator {
  readonly #work: ExplodeWork
  readonly #context: OperatorContext
  /** Names beside those of the elements, which are the user's: no key of any object is called so. */
  readonly #row = `#row ${randomUUID()}`
  readonly #position = `#position ${randomUUID()}`
  readonly #decoded: string
  #database: LaneDatabase | undefined
  #decoder: Query | undefined

  constructor(work: ExplodeWork, context: OperatorContext) {
    this.#work = work
    this.#context = context
    this.#decoded = `elements of ${work.id}`
  }

  async open(): Promise<void> {
    const database = await this.#context.database()
    this.#database = database
    const own: Column[] = [this.#row, this.#position].map((name) => ({
      name,
      type: { kind: 'integer', name: 'bigint' },
      nullable: true,
    }))
    this.#decoder = await openQuery(database, {
      input: { name: 'elements', format: 'ndjson', columns: [...own, ...columnsOf(this.#work.elements)] },
      sql: 'SELECT * FROM elements',
      output: { format: 'table', table: this.#decoded },
    })
  }

  async process(batch: Batch, out: OperatorOutput): Promise<void> {
    const made: Batch[] = []
    try {
      for (const piece of await this.#cut(batch)) made.push(await this.#decode(batch, piece))
    } catch (thrown) {
      for (const one of made) one.release()
      throw thrown
    } finally {
      batch.release()
    }
    for (let one = made.shift(); one !== undefined; one = made.shift()) {
      await out.emit(0, one).catch((thrown: unknown) => {
        for (const left of made) left.release()
        throw thrown
      })
    }
  }

  async close(): Promise<void> {
    this.#decoder?.close()
  }

  async #cut(batch: Batch): Promise<Piece[]> {
    assert(this.#database !== undefined && batch.body.kind === 'table', 'the plan gives tables to an explode')
    const { id, list } = this.#work
    const select = `SELECT CAST(${quoteName(list)} AS VARCHAR) FROM ${quoteName(batch.body.relation)} ORDER BY rowid`
    const values = await computing(id, this.#database, select)
    const pieces: Piece[] = []
    const faults: RecordFault[] = []
    let piece: Piece = { lines: [], rows: [] }
    let characters = 0
    for (const [row, [text]] of values.entries()) {
      const elements = typeof text === 'string' && text !== 'null' ? jsonElements(oneLine(text)) : []
      if (elements === undefined) faults.push({ row, column: list, reason: 'not a JSON array' })
      for (const line of this.#linesOf(row, elements ?? [], faults)) {
        piece.lines.push(line)
        piece.rows.push(row)
        characters += line.length
      }
      if (characters < PIECE_CHARACTERS) continue
      pieces.push(piece)
      piece = { lines: [], rows: [] }
      characters = 0
    }
    if (faults.length > 0) throw poisonError(id, batch, faults)
    return piece.lines.length > 0 ? [...pieces, piece] : pieces
  }

  #linesOf(row: number, elements: readonly string[], faults: RecordFault[]): string[] {
    const { isWhole, keepsEmpty, list, elements: columns } = this.#work
    const key = `{${JSON.stringify(this.#row)}:${row}`
    if (elements.length === 0) return keepsEmpty ? [`${key}}`] : []
    const value = JSON.stringify(columns[0]?.name ?? '')
    return elements.map((element, position) => {
      const start = `${key},${JSON.stringify(this.#position)}:${position}`
      if (isWhole) return `${start},${value}:${element}}`
      if (element === 'null') return `${start}}`
      if (!element.startsWith('{')) {
        faults.push({ row, column: list, reason: `element ${position} from 0 is not a JSON object` })
      }
      const inside = element.slice(1).trimStart()
      return inside === '}' ? `${start}}` : `${start},${inside}`
    })
  }

  async #decode(batch: Batch, piece: Piece): Promise<Batch> {
    const { id, input, schema, list, position, elements } = this.#work
    const database = this.#database
    assert(database !== undefined && this.#decoder !== undefined, 'the operator is open')
    assert(batch.body.kind === 'table', 'the plan gives tables to an explode')
    const buffer = Buffer.from(`${piece.lines.join('\n')}\n`)
    const result = await this.#decoder.run({ buffer, length: buffer.length, rows: piece.lines.length })
    if (!result.ok) {
      const faults = result.errors.map(({ row, column, reason }) => {
        const inside = column === '' ? '' : `${column}: `
        return { row: piece.rows[row] ?? 0, column: list, reason: `in an element, ${inside}${reason}` }
      })
      throw poisonError(id, batch, faults)
    }
    const at = position === undefined ? [] : [`e.${quoteName(this.#position)} AS ${quoteName(position)}`]
    const found = [...at, ...elements.map(({ name }) => `e.${quoteName(name)}`)]
    const items = input.flatMap(({ name }) => (name === list ? found : [`r.${quoteName(name)}`]))
    const name = newTableName(id)
    // A table's own numbers begin with 0 unless rows were taken out of it, which nobody does with a batch.
    const select =
      `SELECT ${items.join(', ')} FROM ${quoteName(this.#decoded)} e ` +
      `JOIN ${quoteName(batch.body.relation)} r ON r.rowid = e.${quoteName(this.#row)} ORDER BY e.rowid`
    const rows = await makeTable(id, database, name, select)
    return tableBatch(database, name, schema, rows, { ...batch, bytes: buffer.length })
  }
}

/** Line ends in valid JSON stand between values only: within texts they are escaped. */
function oneLine(text: string): string {
  return /[\n\r]/.test(text) ? text.replaceAll(/[\n\r]/g, ' ') : text
}
