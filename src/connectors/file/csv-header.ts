import { MillraceError } from '../../core/errors.ts'
import type { CsvDialect } from './options.ts'

/** Refuses a file whose header names other columns, or in another order, than the schema. */
export function checkCsvHeader(
  header: string,
  dialect: CsvDialect,
  columns: readonly string[] | undefined,
  path: string,
): void {
  if (columns === undefined) return
  const names = splitCsvRecord(header, dialect)
  const wrong = columns.findIndex((column, index) => names[index]?.trim() !== column)
  if (wrong < 0 && names.length === columns.length) return
  throw new MillraceError(
    `reading the header of ${path}: the file has the columns ${names.join(', ')}, the schema has ${columns.join(', ')}; ` +
      'name the same columns in the same order',
    { code: 'SCHEMA', retry: 'halt', detail: { file: path, columns: names } },
  )
}

/** The fields of one record, unquoted. */
export function splitCsvRecord(record: string, dialect: CsvDialect): string[] {
  const { delimiter, quote } = dialect
  const fields: string[] = []
  let at = 0
  while (at <= record.length) {
    let field = ''
    if (record[at] === quote) {
      at++
      while (at < record.length && (record[at] !== quote || record[at + 1] === quote)) {
        if (record[at] === quote) at++
        field += record[at++]
      }
      at++
    }
    const end = record.indexOf(delimiter, at)
    const stop = end < 0 ? record.length : end
    fields.push(field + record.slice(at, stop))
    at = stop + 1
  }
  return fields
}
