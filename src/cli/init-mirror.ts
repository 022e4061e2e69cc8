import { MillraceError, toMillraceError } from '../core/errors.ts'
import type { Route } from '../core/routes.ts'
import { lookAtSource, type FoundTable, type SourceLook } from './look-at-source.ts'
import { lookAtSqlTarget, sqlDatabase } from './look-at-sql-target.ts'
import { lookAtWarehouse, queryPortOf } from './look-at-warehouse.ts'
import {
  authorityOf,
  isWarehouse,
  sourceAddress,
  targetAddress,
  type MirrorAddress,
  type SourceKind,
  type SqlKind,
  type TargetAddress,
  type WarehouseKind,
} from './mirror-address.ts'
import { mirrorText, type MirrorTarget } from './mirror-text.ts'

export interface MirrorDraft {
  /** The pipeline file. */
  readonly text: string
  /** What was found, for people. */
  readonly told: readonly string[]
}

/** Writes the pipeline file of a mirror after looking at both sides. */
export async function draftMirror(
  name: string,
  from: string,
  to: string,
  environment: NodeJS.ProcessEnv,
): Promise<MirrorDraft> {
  const source = sourceAddress(from, environment)
  const target = targetAddress(to, environment)
  if (!isWarehouse(target)) sqlDatabase(target)
  const look = await reached('--from', source, `${source.host}:${source.port}`, () => lookAtSource(source))
  const tables = look.tables.filter(({ key }) => key.length > 0)
  if (tables.length === 0) {
    throw new MillraceError(
      `--from: ${look.tables.length === 0 ? 'there are no tables that the user may see' : 'no table has a primary key, which a mirror needs'}`,
      { code: 'CONFIG' },
    )
  }
  const seen = isWarehouse(target) ? await warehouseSide(name, target, tables) : await sqlSide(source, target, tables)
  const keyless = look.tables.filter(({ key }) => key.length === 0)
  const told = tellOf(look, tables, keyless, seen)
  return { text: mirrorText(name, { source, target: seen, tables, keyless, told }), told }
}

/** Says which side did not answer, what was asked, and what may be wrong. */
async function reached<T>(
  option: string,
  { connector }: { readonly connector: string },
  asked: string,
  look: () => Promise<T>,
): Promise<T> {
  try {
    return await look()
  } catch (thrown) {
    const error = toMillraceError(thrown)
    const { code, message, retry } = error
    if (code !== 'UNAVAILABLE') throw new MillraceError(`${option}: ${message}`, { code, retry, cause: error })
    throw new MillraceError(
      `${option}: ${connector.replace('-cdc', '')} did not answer at ${asked}: ${message}. See that the server runs, that the host ` +
        'and the port are its own, and that no firewall is in between; nothing was written',
      { code, retry, cause: error },
    )
  }
}

async function warehouseSide(
  name: string,
  address: MirrorAddress<WarehouseKind>,
  tables: readonly FoundTable[],
): Promise<MirrorTarget> {
  const databases = databasesOf(tables)
  const database = address.database ?? databases[0] ?? name
  const asked = `${address.host}:${queryPortOf(address)}, where it takes SQL (\`?queryPort=…\` behind the address, if another)`
  const look = await reached('--to', address, asked, () => lookAtWarehouse(address, database))
  const wanted = new Set(tables.map((table) => table.name))
  return {
    kind: 'warehouse',
    ...{ address, database, look, problems: [] },
    route: address.database === undefined ? apart() : together(databases),
    taken: look.tables.filter((one) => wanted.has(one)).map((one) => `${database}.${one}`),
  }
}

async function sqlSide(
  source: MirrorAddress<SourceKind>,
  address: MirrorAddress<SqlKind>,
  tables: readonly FoundTable[],
): Promise<MirrorTarget> {
  const database = sqlDatabase(address)
  const databases = databasesOf(tables)
  // PostgreSQL has schemas inside of the database that the address names.
  const hasRoom = address.connector === 'postgres' && !address.parameters.has('schema')
  const route = hasRoom && (source.connector === 'postgres-cdc' || databases.length > 1) ? apart() : together(databases)
  refuseItself(source, address, route.database === undefined ? [database] : databases, databases)
  const { taken, problems } = await reached('--to', address, authorityOf(address), () =>
    lookAtSqlTarget(address, route, tables),
  )
  return { kind: 'sql', address, route, taken, problems }
}

/** A mirror into the tables that it reads would never come to an end. */
function refuseItself(
  source: MirrorAddress<SourceKind>,
  target: TargetAddress,
  written: readonly string[],
  read: readonly string[],
): void {
  if (source.connector !== `${target.connector}-cdc` || authorityOf(source) !== authorityOf(target)) return
  if (target.connector === 'postgres' && source.database !== target.database) return
  const both = written.find((one) => read.includes(one))
  if (both === undefined) return
  throw new MillraceError(`--to: ${both} is what --from reads: the mirror would read its own rows for ever`, {
    code: 'CONFIG',
  })
}

function databasesOf(tables: readonly FoundTable[]): string[] {
  return [...new Set(tables.map(({ database }) => database))]
}

function apart(): Route {
  return { match: '.*', database: '{database}', table: '{table}' }
}

/** In one database names of several could meet. */
function together(databases: readonly string[]): Route {
  return { match: '.*', table: databases.length === 1 ? '{table}' : '{database}_{table}' }
}

function tellOf(
  { problems }: SourceLook,
  tables: readonly FoundTable[],
  keyless: readonly FoundTable[],
  target: MirrorTarget,
): string[] {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  const { taken } = target
  return [
    `${tables.length} tables, about ${rows.toLocaleString('en')} rows.`,
    ...keyless.map((one) => `${one.database}.${one.name} has no primary key and is left out.`),
    ...(taken.length > 0
      ? [`These tables of the target are there already, and will be written to: ${taken.join(', ')}.`]
      : []),
    ...problems.map((problem) => `On the source: ${problem}.`),
    ...target.problems.map((problem) => `On the target: ${problem}.`),
  ]
}
