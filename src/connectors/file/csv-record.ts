import type { CsvDialect } from './options.ts'

export interface CsvField {
  readonly text: string
  /** A quoted field is never NULL. */
  readonly isQuoted: boolean
}

/** The fields of one record; `undefined` where a quoted field does not end, or not before a delimiter. */
export function splitCsvRecord(record: string, { delimiter, quote }: CsvDialect): CsvField[] | undefined {
  const fields: CsvField[] = []
  for (let at = 0; at <= record.length;) {
    const isQuoted = quote !== '' && record[at] === quote
    const end = isQuoted ? closingQuote(record, at + 1, quote) + 1 : endOfField(record, at, delimiter)
    if (isQuoted && (end > record.length || (end < record.length && record[end] !== delimiter))) return undefined
    const text = isQuoted ? record.slice(at + 1, end - 1).replaceAll(quote + quote, quote) : record.slice(at, end)
    fields.push({ text, isQuoted })
    at = end + 1
  }
  return fields
}

function endOfField(record: string, from: number, delimiter: string): number {
  const end = record.indexOf(delimiter, from)
  return end < 0 ? record.length : end
}

function closingQuote(record: string, from: number, quote: string): number {
  let at = record.indexOf(quote, from)
  while (at >= 0 && record[at + 1] === quote) at = record.indexOf(quote, at + 2)
  return at < 0 ? record.length : at
}
