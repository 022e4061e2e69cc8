import { MillraceError } from '../core/errors.ts'

/** A name in DuckDB's SQL. The only place where names become SQL text. */
export function quoteName(name: string): string {
  if (name === '' || name.includes('\0')) {
    throw new MillraceError(`naming ${JSON.stringify(name)} in SQL: names must not be empty or hold NUL characters`, {
      code: 'CONFIG',
    })
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** A text constant in DuckDB's SQL. The only place where texts become SQL constants. */
export function quoteText(text: string): string {
  if (text.includes('\0')) {
    throw new MillraceError('writing a text constant in SQL: it must not hold NUL characters', { code: 'CONFIG' })
  }
  return `'${text.replaceAll("'", "''")}'`
}
