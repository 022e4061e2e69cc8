import { MillraceError } from '../../core/errors.ts'
import { UnspeakableValue, type RowShape } from '../../clients/postgres-replication/index.ts'

/** A value that our rows have no words for, with its column and place and without itself. */
export function poisoned(
  error: unknown,
  { schema, name }: { readonly schema: string; readonly name: string },
  shape: RowShape,
  where: string,
): unknown {
  if (!(error instanceof UnspeakableValue)) return error
  const column = shape.columns[error.column]?.column
  return new MillraceError(
    `table ${schema}.${name}, ${where}: column ${column?.name} (${column?.native}) has a value that has no counterpart ` +
      'outside of Postgres: NaN, infinity, 24:00, or a year before 0001 or after 9999. specialValues: null reads it as NULL',
    { code: 'POISON', retry: 'halt', detail: { table: `${schema}.${name}`, column: column?.name } },
  )
}
