import { MillraceError, toMillraceError } from '../core/errors.ts'
import { lookAtSource, type FoundTable, type SourceLook } from './look-at-source.ts'
import { lookAtTarget, queryPortOf, type TargetLook } from './look-at-target.ts'
import { sourceAddress, targetAddress, type MirrorAddress, type SourceKind, type TargetKind } from './mirror-address.ts'

export interface MirrorDraft {
  /** The pipeline file. */
  readonly text: string
  /** What was found, for people. */
  readonly told: readonly string[]
}

/** More tables than this are named by their database, not one by one. */
const NAMED_MAX = 40

/** Writes the pipeline file of a mirror after looking at both sides. */
export async function draftMirror(
  name: string,
  from: string,
  to: string,
  environment: NodeJS.ProcessEnv,
): Promise<MirrorDraft> {
  const source = sourceAddress(from, environment)
  const target = targetAddress(to, environment)
  const look = await reached('--from', source, `${source.host}:${source.port}`, () => lookAtSource(source))
  const tables = look.tables.filter(({ hasKey }) => hasKey)
  if (tables.length === 0) {
    throw new MillraceError(
      `--from: ${look.tables.length === 0 ? 'there are no tables that the user may see' : 'no table has a primary key, which a mirror needs'}`,
      { code: 'CONFIG' },
    )
  }
  const databases = [...new Set(tables.map(({ database }) => database))]
  const database = target.database ?? databases[0] ?? name
  const asked = `${target.host}:${queryPortOf(target)}, where it takes SQL (\`?queryPort=…\` behind the address, if another)`
  const there = await reached('--to', target, asked, () => lookAtTarget(target, database))
  const route = routeOf(target.database, databases)
  const keyless = look.tables.filter(({ hasKey }) => !hasKey)
  return {
    text: mirrorText(name, { source, target, tables, keyless, database, route, there }),
    told: tellOf(look, tables, keyless, there, database),
  }
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

/** Databases of the source stay apart where they would not fit into one. */
function routeOf(target: string | undefined, databases: readonly string[]): string {
  if (target === undefined) return "{ match: '.*', database: '{database}', table: '{table}' }"
  return databases.length === 1 ? "{ match: '.*', table: '{table}' }" : "{ match: '.*', table: '{database}_{table}' }"
}

interface Parts {
  readonly source: MirrorAddress<SourceKind>
  readonly target: MirrorAddress<TargetKind>
  readonly tables: readonly FoundTable[]
  readonly keyless: readonly FoundTable[]
  readonly database: string
  readonly route: string
  readonly there: TargetLook
}

function mirrorText(name: string, { source, target, tables, keyless, database, route, there }: Parts): string {
  const isMysql = source.connector === 'mysql-cdc'
  const { host, port } = source
  const scheme = isMysql ? `mysql://${host}:${port}` : `postgres://${host}:${port}/${source.database ?? ''}`
  const sslmode = source.parameters.get('sslmode')
  const url = !isMysql && sslmode !== null ? `${scheme}?sslmode=${sslmode}` : scheme
  const isRemotePlain = isMysql && source.parameters.get('allowPlaintext') === 'true'
  const lines = [
    '# yaml-language-server: $schema=./pipeline.schema.json',
    '# `millrace schema > pipeline.schema.json` writes that schema: editors then complete and check this file.',
    '',
    `name: ${name}                  # names the saved state, for ever; so do the ids below`,
    'delivery: exactly-once        # weaker plans are refused',
    'checkpoint:',
    '  interval: 10s               # changes become visible this often',
    // Doris forgets prepared transactions after an hour, unless it is told otherwise.
    ...(target.connector === 'doris'
      ? ['  maxDowntime: 30m            # Doris keeps prepared transactions for an hour']
      : []),
    '',
    'sources:',
    '  database:',
    `    connector: ${source.connector}`,
    `    url: ${text(url)}`,
    `    username: ${text(source.user)}`,
    `    password: \${${source.variable}:-}`,
    ...(isRemotePlain ? ['    allowPlaintext: true'] : []),
    ...(isMysql && !source.isPlain ? ['    tls: {}'] : []),
    '    # Regular expressions over the whole of `database.table`.',
    '    tables:',
    ...patternsOf(tables, keyless).map((pattern) => `      - ${text(pattern)}`),
    ...keyless.map((table) => `    # Left out, it has no primary key: ${table.database}.${table.name}`),
    '',
    'sinks:',
    '  mirror:',
    '    from: database',
    `    connector: ${target.connector}`,
    `    url: [${text(`http://${target.host}:${target.port}`)}]`,
    `    queryUrl: [${text(there.queryUrl)}]`,
    ...(target.parameters.get('allowPlaintext') === 'true' ? ['    allowPlaintext: true'] : []),
    `    database: ${text(database)}`,
    `    username: ${text(target.user)}`,
    `    password: \${${target.variable}:-}`,
    '    routes:',
    `      - ${route}`,
    '    # lenient: new columns are added, nothing is lost. Or evolve, try-evolve, ignore, fail.',
    '    schemaChange: lenient',
    ...(there.backends !== undefined && there.backends < 3
      ? [
          `    # ${there.backends === 1 ? 'There is one backend' : `There are ${there.backends} backends`}; three replicas are the usual.`,
          `    tableProperties: { replication_num: '${Math.max(1, there.backends)}' }`,
        ]
      : []),
  ]
  return `${lines.join('\n')}\n`
}

/** The tables by name, or their databases where they are many and none has to be left out. */
function patternsOf(tables: readonly FoundTable[], keyless: readonly FoundTable[]): string[] {
  return [...Map.groupBy(tables, ({ database }) => database)].flatMap(([database, of]) => {
    const isMany = of.length > NAMED_MAX && keyless.every((one) => one.database !== database)
    if (isMany) return [`${escaped(database)}\\..*`]
    return of.map(({ name }) => `${escaped(database)}\\.${escaped(name)}`)
  })
}

function tellOf(
  { problems }: SourceLook,
  tables: readonly FoundTable[],
  keyless: readonly FoundTable[],
  there: TargetLook,
  database: string,
): string[] {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  const wanted = new Set(tables.map(({ name }) => name))
  const taken = there.tables.filter((name) => wanted.has(name))
  return [
    `${tables.length} tables, about ${rows.toLocaleString('en')} rows.`,
    ...keyless.map((one) => `${one.database}.${one.name} has no primary key and is left out.`),
    ...(taken.length > 0
      ? [`${database} has tables of these names already, which will be written to: ${taken.join(', ')}.`]
      : []),
    ...problems.map((problem) => `On the server: ${problem}.`),
  ]
}

function escaped(name: string): string {
  return name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** YAML in single quotes, where nothing has a meaning but the quote itself; `$${` keeps a dollar a dollar. */
function text(value: string): string {
  return `'${value.replaceAll('${', '$${').replaceAll("'", "''")}'`
}
