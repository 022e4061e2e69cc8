import { MillraceError } from '../../core/errors.ts'
import { splitCsvRecord } from './csv-record.ts'
import type { CsvDialect } from './options.ts'

/** Refuses a file whose header names other columns, or in another order, than the schema. */
export function checkCsvHeader(
  header: string,
  dialect: CsvDialect,
  columns: readonly string[] | undefined,
  path: string,
): void {
  if (columns === undefined) return
  const names = (splitCsvRecord(header, dialect) ?? []).map(({ text }) => text)
  const wrong = columns.findIndex((column, index) => names[index]?.trim() !== column)
  if (wrong < 0 && names.length === columns.length) return
  throw new MillraceError(
    `reading the header of ${path}: the file has the columns ${names.join(', ')}, the schema has ${columns.join(', ')}; ` +
      'name the same columns in the same order',
    { code: 'SCHEMA', retry: 'halt', detail: { file: path, columns: names } },
  )
}
