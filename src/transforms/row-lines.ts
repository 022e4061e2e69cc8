import type { Column } from '../dataplane/index.ts'
import { readableSql, readValue, writeValue } from './row-values.ts'
import { quoteName } from '../dataplane/index.ts'

/** A row of a user function: its columns and nothing else, not even a prototype. */
export type Row = Readonly<Record<string, unknown>>

/** The SELECT whose JSON lines `readRows` understands. */
export function readableSelect(columns: readonly Column[], relation: string): string {
  const values = columns.map((column) => `${readableSql(column)} AS ${quoteName(column.name)}`)
  return `SELECT ${values.join(', ')} FROM ${quoteName(relation)}`
}

/** The rows of JSON lines made by `readableSelect`. */
export function readRows(lines: Buffer, length: number, columns: readonly Column[]): Row[] {
  const rows: Row[] = []
  for (let start = 0; start < length;) {
    const end = lines.indexOf(0x0a, start)
    const parsed = JSON.parse(lines.toString('utf8', start, end)) as Record<string, unknown>
    const row = emptyRow()
    for (const { name, type } of columns) row[name] = readValue(parsed[name], type)
    rows.push(row)
    start = end + 1
  }
  return rows
}

/** Rows whose values are in their columns' forms, as JSON lines for the data plane. */
export function writeRows(rows: readonly Row[], columns: readonly Column[]): Buffer {
  const keys = columns.map(({ name }, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)
  let text = ''
  for (const row of rows) {
    columns.forEach((column, index) => {
      text += keys[index] + writeValue(row[column.name], column)
    })
    text += '}\n'
  }
  return Buffer.from(text)
}

/** An object without a prototype, so that a column may have any name. */
export function emptyRow(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>
}
