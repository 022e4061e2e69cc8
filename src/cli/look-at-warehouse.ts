import { FrontendSql } from '../clients/stream-load/tables/frontend-sql.ts'
import { MillraceError } from '../core/errors.ts'
import type { MirrorAddress, WarehouseKind } from './mirror-address.ts'

export interface WarehouseLook {
  readonly queryUrl: string
  /** Tables of the target database that are there already. */
  readonly tables: readonly string[]
  /** Absent where the user may not see it. */
  readonly backends: number | undefined
}

export function queryPortOf({ parameters }: Pick<MirrorAddress<WarehouseKind>, 'parameters'>): string {
  return parameters.get('queryPort') ?? '9030'
}

/** What is there in the target database. Changes nothing. */
export async function lookAtWarehouse(address: MirrorAddress<WarehouseKind>, database: string): Promise<WarehouseLook> {
  const { host, user, password } = address
  const queryUrl = `mysql://${host.includes(':') ? `[${host}]` : host}:${queryPortOf(address)}`
  await using sql = new FrontendSql({ urls: [queryUrl], username: user, password })
  const databases = (await sql.run('SHOW DATABASES')).map((row) => Object.values(row)[0])
  const isThere = databases.includes(database)
  const tables = isThere ? await sql.run(`SHOW TABLES FROM \`${database.replaceAll('`', '``')}\``) : []
  const backends = await sql.run('SHOW BACKENDS').catch((error: unknown) => {
    if (error instanceof MillraceError && error.code === 'SCHEMA') return undefined
    throw error
  })
  return { queryUrl, tables: tables.map((row) => Object.values(row)[0] ?? ''), backends: backends?.length }
}
