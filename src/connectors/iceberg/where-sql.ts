import type { IcebergField, Where } from '../../clients/iceberg/index.ts'
import { duckType, parseColumnType, quoteText } from '../../dataplane/index.ts'
import { sqlType } from './read-schema.ts'

/** The condition as SQL; `column` gives the SQL of a column's value. */
export function whereSql(where: Where, column: (field: IcebergField) => string): string {
  if ('parts' in where) {
    const parts = where.parts.map((part) => `(${whereSql(part, column)})`)
    return parts.join(where.kind === 'and' ? ' AND ' : ' OR ')
  }
  const value = column(where.column)
  switch (where.kind) {
    case 'null':
      return `${value} IS ${where.isNull ? '' : 'NOT '}NULL`
    case 'in':
      return `${value} IN (${where.values.map(({ text }) => literal(text, where.column)).join(', ')})`
    case 'compare':
      return `${value} ${where.comparison} ${literal(where.value.text, where.column)}`
  }
}

/** The text was read as this type before, so the cast does not fail and does not round. */
function literal(text: string, { type }: IcebergField): string {
  return `CAST(${quoteText(text)} AS ${duckType(parseColumnType(sqlType(type)))})`
}
