import { MillraceError, toMillraceError } from '../../../core/errors.ts'
import type { RoutedTable } from '../../../core/routes.ts'
import type { TargetTables } from '../../../core/table-follower.ts'
import type { SqlDialect } from '../dialect.ts'
import type { SqlSession } from '../session.ts'
import { hasSameColumns, type TargetTable } from '../target.ts'
import { fits } from './type-fit.ts'

/** Runs statements on the connection of the coordinator, one after the other. */
export type WithSession = <T>(work: (session: SqlSession) => Promise<T>) => Promise<T>

/** Makes tables of an SQL server and changes them, for a sink of several tables. */
export function sqlTables(dialect: SqlDialect, withSession: WithSession): TargetTables {
  const nameOf = ({ database, table }: RoutedTable): string => dialect.qualified(table, database)
  const describe = ({ database, table }: RoutedTable): Promise<TargetTable | undefined> =>
    withSession((session) => dialect.describe(session, table, database))
  const run = (doing: string, sql: string): Promise<void> =>
    withSession(async (session) => {
      await session.query(sql, doing).catch((thrown: unknown) => {
        throw refusal(thrown)
      })
    })
  const alter = (target: RoutedTable, what: string): Promise<void> =>
    run(`changing ${nameOf(target)}`, `ALTER TABLE ${nameOf(target)} ${what}`)
  const isKey = ({ shape }: RoutedTable, column: string): boolean => shape.key.includes(column)
  return {
    nameOf,
    describe: async (target) => {
      const found = await describe(target)
      if (found === undefined) return undefined
      if (found.flaw !== undefined) {
        throw new MillraceError(`the table ${nameOf(target)} cannot be written: ${found.flaw}`, { code: 'SCHEMA' })
      }
      return { columns: new Set(found.columns.map(({ name }) => name)), key: keyOf(target, found) }
    },
    create: async (target) => {
      const { database, shape } = target
      if (shape.key.length === 0) throw keyless(target)
      if (database !== dialect.database) await run(`making ${database}`, dialect.createDatabaseSql(database))
      // All others may be NULL: a column that the source drops stays.
      const columns = shape.columns.map((column) => ({ ...column, nullable: true }))
      await run(`creating ${nameOf(target)}`, dialect.createTarget(nameOf(target), columns, shape.key))
    },
    addColumn: (target, column) =>
      alter(target, `ADD COLUMN ${dialect.quote(column.name)} ${dialect.typeOf(column, false)} NULL`),
    dropColumn: (target, name) => alter(target, `DROP COLUMN ${dialect.quote(name)}`),
    renameColumn: (target, from, to) => alter(target, `RENAME COLUMN ${dialect.quote(from)} TO ${dialect.quote(to)}`),
    alterColumn: async (target, column) => {
      const is = (await describe(target))?.columns.find(({ name }) => name === column.name)
      const wanted = dialect.typeOf(column, isKey(target, column.name))
      if (is === undefined || fits(wanted, is.type)) return false
      await alter(target, dialect.alterTypeSql(column.name, wanted))
      return true
    },
    truncate: (target) => run(`emptying ${nameOf(target)}`, `TRUNCATE TABLE ${nameOf(target)}`),
  }
}

/** The unique key of the target that is the source's, else the primary one; others could replace the wrong row. */
function keyOf({ shape, table }: RoutedTable, { uniqueKeys }: TargetTable): readonly string[] {
  const mine = uniqueKeys.find(({ columns }) => hasSameColumns(columns, shape.key))
  const other = uniqueKeys.find((one) => one !== mine)
  if (mine !== undefined && other !== undefined) {
    throw new MillraceError(
      `the table ${table} has another unique key, ${other.name} (${other.columns.join(', ')}): a row that meets it would replace the wrong row. Make it an ordinary index`,
      { code: 'SCHEMA' },
    )
  }
  return (mine ?? uniqueKeys.find(({ isPrimary }) => isPrimary))?.columns ?? []
}

function keyless({ shape }: RoutedTable): MillraceError {
  return new MillraceError(
    `${shape.id} has no primary key, so changes to its rows cannot be followed: name columns that identify a row in its route, key: [column]`,
    { code: 'SCHEMA', detail: { table: shape.id } },
  )
}

/** A change that the server refuses for good, whatever its reason, is one that the target cannot follow. */
function refusal(thrown: unknown): MillraceError {
  const error = toMillraceError(thrown)
  if (error.retry !== 'halt' || error.code === 'AUTH') return error
  return new MillraceError(error.message, { code: 'SCHEMA', detail: error.detail, cause: error })
}
