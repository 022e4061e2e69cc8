import { MillraceError } from '../../core/errors.ts'
import {
  readTables,
  tableNameOf,
  type PgConnection,
  type PgTable,
  type TypeCatalog,
} from '../../clients/postgres-replication/index.ts'
import type { PostgresCdcOptions } from './options.ts'

type Wanted = (schema: string, name: string) => boolean

/** Which tables the options name: one, or all whose `schema.table` is matched by a pattern as a whole. */
export function isWantedBy({ table, tables }: Pick<PostgresCdcOptions, 'table' | 'tables'>): Wanted {
  if (table !== undefined) {
    const wanted = tableNameOf(table)
    return (schema, name) => schema === wanted.schema && name === wanted.name
  }
  const patterns = (tables ?? []).map((pattern) => new RegExp(`^(?:${pattern})$`, 'u'))
  return (schema, name) => patterns.some((pattern) => pattern.test(`${schema}.${name}`))
}

/** Those that exist now; there has to be one. */
export async function wantedTables(
  connection: PgConnection,
  catalog: TypeCatalog,
  options: Pick<PostgresCdcOptions, 'table' | 'tables'>,
): Promise<readonly PgTable[]> {
  const found = await readTables(connection, catalog, isWantedBy(options))
  if (found.length > 0) return found
  const wanted = options.table ?? options.tables?.join(' or ') ?? ''
  throw new MillraceError(`there is no table ${wanted} that this user can see`, { code: 'SCHEMA', retry: 'halt' })
}
