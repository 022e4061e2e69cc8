import type { Route } from '../core/routes.ts'
import type { FoundTable } from './look-at-source.ts'
import type { WarehouseLook } from './look-at-warehouse.ts'
import { authorityOf, type MirrorAddress, type SourceKind, type SqlKind, type WarehouseKind } from './mirror-address.ts'

/** Where a mirror goes, as it was found. */
export type MirrorTarget = {
  readonly route: Route
  /** Target tables that are there already. */
  readonly taken: readonly string[]
  readonly problems: readonly string[]
} & (
  | {
      readonly kind: 'warehouse'
      readonly address: MirrorAddress<WarehouseKind>
      readonly database: string
      readonly look: WarehouseLook
    }
  | { readonly kind: 'sql'; readonly address: MirrorAddress<SqlKind> }
)

interface Parts {
  readonly source: MirrorAddress<SourceKind>
  readonly target: MirrorTarget
  readonly tables: readonly FoundTable[]
  readonly keyless: readonly FoundTable[]
  /** What was found on both sides. */
  readonly told: readonly string[]
}

/** More tables than this are named by their database, not one by one. */
const NAMED_MAX = 40

/** The pipeline file of a mirror. */
export function mirrorText(name: string, { source, target, tables, keyless, told }: Parts): string {
  const lines = [
    '# yaml-language-server: $schema=./pipeline.schema.json',
    '# `millrace schema > pipeline.schema.json` writes that schema: editors then complete and check this file.',
    '#',
    '# Found when this file was written:',
    ...told.map((line) => `# - ${oneLine(line)}`),
    '',
    `name: ${name}                  # names the saved state, for ever; so do the ids below`,
    target.kind === 'sql'
      ? 'delivery: convergent          # rows are written by key as they arrive; after a restart some are written again'
      : 'delivery: exactly-once        # weaker plans are refused',
    'checkpoint:',
    '  interval: 10s               # changes become visible this often',
    // Doris forgets prepared transactions after an hour, unless it is told otherwise.
    ...(target.address.connector === 'doris'
      ? ['  maxDowntime: 30m            # Doris keeps prepared transactions for an hour']
      : []),
    '',
    'sources:',
    '  database:',
    ...sourceLines(source).map(indented),
    '    # Regular expressions over the whole of `database.table`.',
    '    tables:',
    ...patternsOf(tables, keyless).map((pattern) => `      - ${text(pattern)}`),
    ...keyless.map((table) => `    # Left out, it has no primary key: ${oneLine(`${table.database}.${table.name}`)}`),
    '',
    'sinks:',
    '  mirror:',
    '    from: database',
    ...sinkLines(target).map(indented),
    '    # Tables that are missing are made, with the primary keys of the source. `createTables: false` leaves that to you.',
    '    routes:',
    `      - ${routeText(target.route)}`,
    '    # lenient: new columns are added, nothing is lost. Or evolve, try-evolve, ignore, fail.',
    '    schemaChange: lenient',
    ...replicaLines(target).map(indented),
  ]
  return `${lines.join('\n')}\n`
}

function sourceLines(source: MirrorAddress<SourceKind>): string[] {
  const isMysql = source.connector === 'mysql-cdc'
  const scheme = isMysql ? `mysql://${authorityOf(source)}` : `postgres://${authorityOf(source)}/${pathOf(source)}`
  const sslmode = source.parameters.get('sslmode')
  const url = !isMysql && sslmode !== null ? `${scheme}?sslmode=${sslmode}` : scheme
  return [
    `connector: ${source.connector}`,
    `url: ${text(url)}`,
    `username: ${text(source.user)}`,
    `password: \${${source.variable}:-}`,
    ...(isMysql ? encryption(source) : []),
  ]
}

function sinkLines(target: MirrorTarget): string[] {
  const { address } = target
  const user = [`username: ${text(address.user)}`, `password: \${${address.variable}:-}`]
  if (target.kind === 'sql') {
    // TiDB speaks the protocol of MySQL, and its addresses say so.
    const scheme = address.connector === 'postgres' ? 'postgres' : 'mysql'
    const schema = address.connector === 'postgres' ? address.parameters.get('schema') : null
    return [
      `connector: ${address.connector}`,
      `url: ${text(`${scheme}://${authorityOf(address)}/${pathOf(address)}`)}`,
      ...user,
      ...(schema === null ? [] : [`schema: ${text(schema)}`]),
      ...encryption(address),
    ]
  }
  return [
    `connector: ${address.connector}`,
    `url: [${text(`http://${authorityOf(address)}`)}]`,
    `queryUrl: [${text(target.look.queryUrl)}]`,
    ...(isOpenly(address) ? ['allowPlaintext: true'] : []),
    `database: ${text(target.database)}`,
    ...user,
  ]
}

function replicaLines(target: MirrorTarget): string[] {
  if (target.kind === 'sql') return []
  const { backends } = target.look
  if (backends === undefined || backends >= 3) return []
  return [
    `# ${backends === 1 ? 'There is one backend' : `There are ${backends} backends`}; three replicas are the usual.`,
    `tableProperties: { replication_num: '${Math.max(1, backends)}' }`,
  ]
}

function encryption(address: MirrorAddress<string>): string[] {
  if (isOpenly(address)) return ['allowPlaintext: true']
  return address.isPlain ? [] : ['tls: {}']
}

function isOpenly({ parameters }: MirrorAddress<string>): boolean {
  return parameters.get('allowPlaintext') === 'true'
}

function pathOf({ database }: MirrorAddress<string>): string {
  return encodeURIComponent(database ?? '')
}

function routeText({ match, database, table }: Route): string {
  const into = database === undefined ? '' : `, database: ${text(database)}`
  return `{ match: ${text(match)}${into}, table: ${text(table)} }`
}

/** The tables by name, or their databases where they are many and none has to be left out. */
function patternsOf(tables: readonly FoundTable[], keyless: readonly FoundTable[]): string[] {
  return [...Map.groupBy(tables, ({ database }) => database)].flatMap(([database, of]) => {
    const isMany = of.length > NAMED_MAX && keyless.every((one) => one.database !== database)
    if (isMany) return [`${escaped(database)}\\..*`]
    return of.map(({ name }) => `${escaped(database)}\\.${escaped(name)}`)
  })
}

function escaped(name: string): string {
  return name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** YAML in single quotes, where nothing has a meaning but the quote itself; `$${` keeps a dollar a dollar. */
function text(value: string): string {
  return `'${value.replaceAll('${', '$${').replaceAll("'", "''")}'`
}

/** Names of servers stand in comments: none of them may end its line. */
function oneLine(line: string): string {
  return line.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
}

function indented(line: string): string {
  return `    ${line}`
}
