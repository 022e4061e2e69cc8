import { OP_COLUMN, type SourceTable } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import { openConnection } from './connect.ts'
import type { MysqlCdcOptions } from './options.ts'
import { readTables } from './read-tables.ts'

/** The columns of the one table, with those of the change. */
export async function discoverSchema(options: MysqlCdcOptions): Promise<Schema> {
  await using connection = await openConnection(options)
  const [found] = await readTables(connection, options)
  if (found === undefined) {
    throw new MillraceError(`reading the columns of ${options.table}: there is no such table, or it may not be read`, {
      code: 'SCHEMA',
    })
  }
  return schemaOf(found.shape, options)
}

/** Rows as the engine sees them: JSON documents are texts, since their spelling has to survive. */
export function schemaOf(shape: SourceTable, { metadata }: MysqlCdcOptions): Schema {
  return [
    { name: OP_COLUMN, type: 'tinyint', nullable: false },
    ...shape.columns.map(({ name, type, nullable }) => ({
      name,
      type: type === 'json' ? 'varchar' : type,
      // Rows from before a column was added have none of it, and zero dates may be read as NULL.
      nullable: nullable || !shape.key.includes(name),
    })),
    ...(metadata.includes('op') ? [{ name: '_op', type: 'varchar', nullable: false }] : []),
    ...(metadata.includes('position') ? [{ name: '_position', type: 'varchar', nullable: false }] : []),
    ...(metadata.includes('timestamp') ? [{ name: '_timestamp', type: 'timestamp', nullable: true }] : []),
  ]
}
