/** The database servers that tests know, by the name of the variable that carries the address of a shared one. */
import { startMariadb } from './mariadb.ts'
import { startMysql } from './mysql.ts'
import { startPostgres } from './postgres.ts'
import type { DatabaseService, DatabaseServiceOptions } from './server-process.ts'
import { startTidb } from './tidb.ts'

export type DatabaseName = 'mariadb' | 'mysql' | 'mysql80' | 'postgres' | 'tidb'

const STARTERS: Readonly<Record<DatabaseName, (options?: DatabaseServiceOptions) => Promise<DatabaseService>>> = {
  mariadb: startMariadb,
  mysql: (options) => startMysql('9', options),
  mysql80: (options) => startMysql('8.0', options),
  postgres: startPostgres,
  tidb: startTidb,
}

export const DATABASE_NAMES: readonly DatabaseName[] = Object.keys(STARTERS) as DatabaseName[]

/** MILLRACE_MARIADB, MILLRACE_MYSQL, MILLRACE_MYSQL80, MILLRACE_POSTGRES, MILLRACE_TIDB. */
export function databaseVariable(name: DatabaseName): string {
  return `MILLRACE_${name.toUpperCase()}`
}

export function startDatabase(name: DatabaseName, options?: DatabaseServiceOptions): Promise<DatabaseService> {
  return STARTERS[name](options)
}

/** The server that the run shares, or one of our own when there is none. Disposing leaves a shared one alone. */
export async function useDatabase(name: DatabaseName): Promise<{ readonly url: string } & AsyncDisposable> {
  const shared = process.env[databaseVariable(name)] ?? ''
  if (shared !== '') return { url: shared, [Symbol.asyncDispose]: () => Promise.resolve() }
  return startDatabase(name)
}
