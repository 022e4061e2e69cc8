import { MillraceError } from '../../core/errors.ts'
import { quoteName } from './connect.ts'
import type { FoundTable } from './read-tables.ts'
import type { NativeColumn } from './table-shape.ts'

/** How a value of a query's answer becomes JSON: digits as they are, text in quotes, bytes in base64. */
export type CellForm = 'number' | 'plain' | 'text' | 'bytes' | 'date'

export interface SnapshotColumn {
  readonly name: string
  readonly form: CellForm
  /** What to select, so that the answer has the very value that the log has. */
  readonly sql: string
}

const NUMBERS = /^(tinyint|smallint|mediumint|int|bigint|double)$/
const DATES = /^(date|datetime|timestamp)$/
const BYTES = /blob|binary|geometry|point|linestring|polygon|collection|vector/

/** The columns of a table as they are selected: those of the key first, so that a row begins with what names it. */
export function snapshotColumns({ columns, shape }: FoundTable): SnapshotColumn[] {
  const isKey = (column: NativeColumn): boolean => shape.key.includes(column.name)
  return [...columns.filter(isKey), ...columns.filter((column) => !isKey(column))].map(selected)
}

function selected(column: NativeColumn): SnapshotColumn {
  const { name, dataType, columnType } = column
  const quoted = quoteName(name)
  // ZEROFILL prints zeros in front, and FLOAT fewer digits than it has: arithmetic gives the value itself.
  const plain = /zerofill/.test(columnType) ? `(${quoted} + 0)` : quoted
  if (NUMBERS.test(dataType)) return { name, form: 'number', sql: plain }
  if (dataType === 'float') return { name, form: 'number', sql: `(${quoted} + 0e0)` }
  if (dataType === 'bit' || dataType === 'year') return { name, form: 'number', sql: `(${quoted} + 0)` }
  if (dataType === 'decimal') {
    const cast = `CAST(${quoted} AS DECIMAL(${column.precision},${column.scale}))`
    return { name, form: 'plain', sql: /zerofill/.test(columnType) ? cast : quoted }
  }
  if (DATES.test(dataType)) return { name, form: 'date', sql: quoted }
  if (dataType === 'time') return { name, form: 'plain', sql: quoted }
  if (BYTES.test(dataType)) return { name, form: 'bytes', sql: quoted }
  return { name, form: 'text', sql: quoted }
}

/** How a value of the key is written in SQL again, from what a query answered. */
export type KeyLiteral = (cell: Buffer) => string

/** Throws `SCHEMA` for keys whose order the database alone knows, and cannot be asked for with a value. */
export function keyLiterals({ columns, keyOrder, shape }: FoundTable): KeyLiteral[] {
  return keyOrder.map((name) => {
    const column = columns.find((one) => one.name === name)
    const literal = column === undefined ? undefined : literalOf(column)
    if (literal !== undefined) return literal
    const why = column === undefined ? 'is left out by `without`' : `is of the type ${column.columnType}`
    throw new MillraceError(
      `table ${shape.database}.${shape.name}: the column ${name} of its primary key ${why}, by which a snapshot cannot be ` +
        'read in parts. Begin with `start: latest`',
      { code: 'SCHEMA', detail: { table: shape.id, column: name } },
    )
  })
}

function literalOf({ dataType }: NativeColumn): KeyLiteral | undefined {
  if (/^(tinyint|smallint|mediumint|int|bigint|decimal|year)$/.test(dataType)) return digits
  if (DATES.test(dataType) || dataType === 'time')
    return (cell) => `'${cell.toString('latin1').replace(/[^\d :.-]/g, '')}'`
  if (/^(char|varchar|tinytext|text|mediumtext|longtext)$/.test(dataType)) {
    return (cell) => (cell.length === 0 ? "''" : `_utf8mb4 0x${cell.toString('hex')}`)
  }
  if (/binary|blob/.test(dataType)) return (cell) => (cell.length === 0 ? "''" : `0x${cell.toString('hex')}`)
  return undefined
}

/** Nothing but a number may be where a number is. */
function digits(cell: Buffer): string {
  return cell.toString('latin1').replace(/[^\d.-]/g, '')
}

/** `(a, b) > (x, y)` in a form for which every server uses the index. */
export function behind(keyOrder: readonly string[], after: readonly string[]): string {
  const terms = keyOrder.map((name, index) => {
    const equal = keyOrder.slice(0, index).map((other, at) => `${quoteName(other)} = ${after[at] ?? ''}`)
    return [...equal, `${quoteName(name)} > ${after[index] ?? ''}`].join(' AND ')
  })
  return terms.length === 1 ? (terms[0] ?? '') : `(${terms.map((term) => `(${term})`).join(' OR ')})`
}
