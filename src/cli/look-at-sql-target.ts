import { MillraceError } from '../core/errors.ts'
import { Router, type Route } from '../core/routes.ts'
import type { SqlDialect } from '../clients/sql/dialect.ts'
import type { SqlSession } from '../clients/sql/session.ts'
import type { TargetTable } from '../clients/sql/target.ts'
import type { FoundTable } from './look-at-source.ts'
import type { MirrorAddress, SqlKind } from './mirror-address.ts'

export interface SqlTargetLook {
  /** Tables that are there already. */
  readonly taken: readonly string[]
  /** What has to be done or known before the start, with how. */
  readonly problems: readonly string[]
}

/** What a page of the sink takes unless the file says otherwise. */
const PAGE_BYTES = 1024 * 1024

/** The database or schema that tables go to whose route names none. */
export function sqlDatabase({ connector, database, parameters }: MirrorAddress<SqlKind>): string {
  if (database === undefined) {
    const message = `--to: name the database: ${connector}://user@host/database`
    throw new MillraceError(message, { code: 'CONFIG' })
  }
  return connector === 'postgres' ? (parameters.get('schema') ?? 'public') : database
}

/** The server, and its tables that rows of these would go to. Changes nothing. */
export async function lookAtSqlTarget(
  address: MirrorAddress<SqlKind>,
  route: Route,
  tables: readonly FoundTable[],
): Promise<SqlTargetLook> {
  const dialect = await dialectOf(address)
  const session = await dialect.open()
  try {
    const findings = await dialect.checkServer(session, { pageBytes: PAGE_BYTES })
    const problems = findings
      .filter(({ severity }) => severity !== 'info')
      .map(({ message, hint }) => [message, hint].filter(Boolean).join('. ').replace(/\.$/, ''))
    const found = await takenTables(session, dialect, route, tables)
    return {
      taken: found.map(({ name }) => name),
      problems: [...(await missingDatabase(session, address)), ...problems, ...found.flatMap(keyProblems)],
    }
  } finally {
    await session.close()
  }
}

async function dialectOf(address: MirrorAddress<SqlKind>): Promise<SqlDialect> {
  const { MysqlDialect, PostgresDialect } = await import('../clients/sql/index.ts')
  const { host, port, user, password, isPlain, database = '' } = address
  const server = { host, port, user, password, ...(isPlain ? {} : { tls: {} }) }
  if (address.connector === 'postgres') {
    const { PostgresConnection, quotePostgresName, quotePostgresText } = await import('../clients/postgres/index.ts')
    return new PostgresDialect({
      schema: sqlDatabase(address),
      open: () => PostgresConnection.open({ ...server, database }),
      quote: quotePostgresName,
      text: quotePostgresText,
    })
  }
  const { MysqlConnection, quoteMysqlName, quoteMysqlText } = await import('../clients/mysql/index.ts')
  // Without the database, which may be missing.
  return new MysqlDialect({
    database: sqlDatabase(address),
    open: () => MysqlConnection.open(server),
    quote: quoteMysqlName,
    text: quoteMysqlText,
  })
}

/** The sink makes tables, databases of routes and schemas; the database of its address has to be there. */
async function missingDatabase(session: SqlSession, address: MirrorAddress<SqlKind>): Promise<string[]> {
  if (address.connector === 'postgres') return []
  const { quoteMysqlName, quoteMysqlText } = await import('../clients/mysql/index.ts')
  const database = sqlDatabase(address)
  const { rows } = await session.query(
    `SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${quoteMysqlText(database)}`,
    'looking for the database',
  )
  return rows.length > 0 ? [] : [`the database is missing: CREATE DATABASE ${quoteMysqlName(database)}`]
}

interface TakenTable {
  readonly name: string
  readonly key: readonly string[]
  readonly table: TargetTable
}

async function takenTables(
  session: SqlSession,
  dialect: SqlDialect,
  route: Route,
  tables: readonly FoundTable[],
): Promise<TakenTable[]> {
  const router = new Router([route], dialect.database)
  const taken: TakenTable[] = []
  for (const { database, name, key } of tables) {
    const columns = key.map((column) => ({ name: column, type: 'varchar', nullable: false }))
    const target = router.targetOf({ id: `${database}.${name}`, database, name, columns, key })
    const table = await dialect.describe(session, target.table, target.database)
    if (table !== undefined) taken.push({ name: `${target.database}.${target.table}`, key, table })
  }
  return taken
}

/** What the sink will refuse. */
function keyProblems({ name, key, table: { flaw, uniqueKeys } }: TakenTable): string[] {
  if (flaw !== undefined) return [`${name} cannot be written: ${flaw}`]
  const others = uniqueKeys.filter(({ columns }) => columns.toSorted().join('\0') !== key.toSorted().join('\0'))
  if (others.length === uniqueKeys.length) {
    return [`${name} is there without a unique key of exactly (${key.join(', ')}), the source’s; drop it, or add one`]
  }
  return others.map(
    (other) => `${name} has another unique key, ${other.name}: make it an ordinary index, or rows may meet it`,
  )
}
