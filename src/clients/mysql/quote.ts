import { MillraceError } from '../../core/errors.ts'

/** A name in MySQL's SQL. */
export function quoteMysqlName(name: string): string {
  if (name === '' || name.includes('\0')) {
    throw new MillraceError(`naming ${JSON.stringify(name)} in SQL: names must not be empty or hold NUL characters`, {
      code: 'CONFIG',
    })
  }
  return `\`${name.replaceAll('`', '``')}\``
}

/** A text constant in MySQL's SQL, for sessions without NO_BACKSLASH_ESCAPES (those of `MysqlConnection`). */
export function quoteMysqlText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\0', '\\0')}'`
}
