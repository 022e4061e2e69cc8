import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import type { SliceDialect, SliceSession } from './dialect.ts'
import type { SliceOptions } from './options.ts'
import type { TableShape } from './table-shape.ts'

/** What a table looks like to a source with these options. */
export async function shapeOf(
  dialect: SliceDialect,
  session: SliceSession,
  { column, columns }: Pick<SliceOptions, 'column' | 'columns'>,
  table: string,
): Promise<TableShape> {
  const shape = await dialect.shape(session, { table, column, columns })
  if (shape.isUnique) return shape
  throw new MillraceError(
    `slicing ${table} by ${column.join(', ')}: several rows may have the same values, and the table has no primary key ` +
      'that tells them apart. Add columns until they are unique together, and give them a unique index',
    { code: 'CONFIG' },
  )
}

export function schemaOf({ columns }: TableShape): Schema {
  return columns.map(({ name, type, nullable }) => ({ name, type, nullable }))
}

/** The table may have changed since the pipeline was planned. */
export function assertSameShape(shape: TableShape, schema: Schema | undefined, id: string): void {
  if (schema === undefined) return
  const found = schemaOf(shape)
  const other = schema.find(({ name, type }) => !found.some((column) => column.name === name && column.type === type))
  if (other === undefined && found.length === schema.length) return
  const what = other === undefined ? 'has other columns' : `has no column ${other.name} of type ${other.type} any more`
  throw new MillraceError(`${id}: the table ${shape.table} ${what}. Start the pipeline again to read it as it is now`, {
    code: 'SCHEMA',
  })
}
