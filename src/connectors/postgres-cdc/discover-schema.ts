import { OP_COLUMN } from '../../core/changes.ts'
import type { Schema } from '../../core/schema.ts'
import { columnOf, readTable, tableNameOf, TypeCatalog } from '../../clients/postgres-replication/index.ts'
import { connect } from './connect.ts'
import type { PostgresCdcOptions } from './options.ts'

/**
 * The table's columns and those of the change; of several tables nothing can be said. Only columns of the key are never NULL: a delete has no others.
 */
export async function discoverSchema(options: PostgresCdcOptions): Promise<Schema | undefined> {
  if (options.table === undefined) return undefined
  await using connection = await connect(options, 'millrace')
  const table = await readTable(connection, new TypeCatalog(), tableNameOf(options.table))
  const key = new Set(table.key.map(({ name }) => name))
  return [
    ...table.columns.map(({ name, type, modifier }) => ({
      name,
      type: columnOf(name, type, modifier, true).type,
      nullable: !key.has(name),
    })),
    { name: OP_COLUMN, type: 'tinyint', nullable: false },
    ...options.changeColumns.map((name) => ({
      name,
      type: name === '_timestamp' ? 'timestamp' : 'varchar',
      nullable: false,
    })),
  ]
}
