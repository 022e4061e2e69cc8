import { MillraceError } from '../../core/errors.ts'

/** A name in PostgreSQL's SQL. */
export function quotePostgresName(name: string): string {
  if (name === '' || name.includes('\0')) {
    throw new MillraceError(`naming ${JSON.stringify(name)} in SQL: names must not be empty or hold NUL characters`, {
      code: 'CONFIG',
    })
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** A text constant in PostgreSQL's SQL, for sessions with standard strings (those of `PostgresConnection`). */
export function quotePostgresText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
