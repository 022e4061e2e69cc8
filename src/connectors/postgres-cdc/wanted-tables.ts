import { MillraceError } from '../../core/errors.ts'
import {
  readTables,
  tableNameOf,
  type PgConnection,
  type PgTable,
  type TypeCatalog,
} from '../../clients/postgres-replication/index.ts'

type Wanted = (schema: string, name: string) => boolean

interface TableOptions {
  readonly table?: string | undefined
  readonly tables?: readonly string[] | undefined
}

/** Which tables the options name: one, or all whose `schema.table` is matched by a pattern as a whole. */
export function isWantedBy({ table, tables }: TableOptions): Wanted {
  if (table !== undefined) {
    const wanted = tableNameOf(table)
    return (schema, name) => schema === wanted.schema && name === wanted.name
  }
  return isMatchedBy(tables ?? [])
}

/** Whether a pattern matches `schema.table` as a whole. */
export function isMatchedBy(list: readonly string[]): Wanted {
  const patterns = list.map((pattern) => new RegExp(`^(?:${pattern})$`, 'u'))
  return (schema, name) => patterns.some((pattern) => pattern.test(`${schema}.${name}`))
}

/** Those that exist now; there has to be one. */
export async function wantedTables(
  connection: PgConnection,
  catalog: TypeCatalog,
  options: TableOptions,
): Promise<readonly PgTable[]> {
  const found = await readTables(connection, catalog, isWantedBy(options))
  if (found.length > 0) return found
  const wanted = options.table ?? options.tables?.join(' or ') ?? ''
  throw new MillraceError(`there is no table ${wanted} that this user can see`, { code: 'SCHEMA', retry: 'halt' })
}
