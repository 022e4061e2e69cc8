import type { Column } from '../dataplane/index.ts'
import { readableSql, readValue, writeValue } from './row-values.ts'
import { quoteName } from '../dataplane/index.ts'

/** A row of a user function: its columns and nothing else, not even a prototype. */
export type Row = Readonly<Record<string, unknown>>

/** The SELECT whose JSON objects `readRows` understands. */
export function readableSelect(columns: readonly Column[], relation: string): string {
  const values = columns.map((column) => `${readableSql(column)} AS ${quoteName(column.name)}`)
  return `SELECT ${values.join(', ')} FROM ${quoteName(relation)}`
}

/** The rows of JSON objects made by `readableSelect`, each followed by a comma. */
export function readRows(objects: Buffer, length: number, columns: readonly Column[]): Row[] {
  // Parsed at once: a call for every row would cost more than the parsing.
  const parsed = JSON.parse(`[${objects.toString('utf8', 0, Math.max(0, length - 1))}]`) as Record<string, unknown>[]
  return parsed.map((values) => {
    const row = emptyRow()
    for (const { name, type } of columns) row[name] = readValue(values[name], type)
    return row
  })
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
