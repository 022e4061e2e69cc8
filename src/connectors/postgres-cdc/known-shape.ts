import type { Logger } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { columnOf, type SourceColumn } from '../../clients/postgres-replication/index.ts'

/**
 * The columns of a changed table that the pipeline was planned with. Columns that are new wait for the next start, those
 * that are gone are NULL from here on; one that has another type cannot be followed.
 */
export function plannedColumns(
  table: string,
  columns: readonly SourceColumn[],
  planned: Schema | undefined,
  log: Logger,
): readonly boolean[] {
  if (planned === undefined) return columns.map(() => true)
  const types = new Map(planned.map(({ name, type }) => [name, type]))
  const isPlanned = columns.map(({ name, type, modifier, nullable }) => {
    const wanted = types.get(name)
    const is = columnOf(name, type, modifier, nullable).type
    if (wanted !== undefined && normal(wanted) !== normal(is)) throw changedType(table, name, wanted, is)
    return wanted !== undefined
  })
  const added = columns.filter((_, index) => isPlanned[index] === false).map(({ name }) => name)
  if (added.length > 0) log.warn(`${table} has new columns, which the next start takes up: ${added.join(', ')}`)
  const names = new Set(columns.map(({ name }) => name))
  const gone = planned.filter(({ name }) => !names.has(name) && !name.startsWith('_')).map(({ name }) => name)
  if (gone.length > 0) log.warn(`${table} has no columns ${gone.join(', ')} any more: they are NULL from here on`)
  return isPlanned
}

function normal(type: string): string {
  return type.toLowerCase().replaceAll(' ', '')
}

function changedType(table: string, column: string, wanted: string, is: string): MillraceError {
  const message =
    `column ${column} of ${table} changed its type: it gives ${is} now, and the pipeline was planned with ${wanted}. ` +
    'Change the target table if needed, and start again'
  return new MillraceError(message, { code: 'SCHEMA', retry: 'halt', detail: { table, column, wanted, is } })
}
