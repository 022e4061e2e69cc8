import type { Finding } from '../../core/checkpoint-types.ts'
import { MillraceError } from '../../core/errors.ts'
import type { ApplyStage, NewColumn, PageFence, PageTarget, SqlDialect } from './dialect.ts'
import { describeMysqlTable } from './mysql-describe.ts'
import { checkMysqlServer } from './mysql-check.ts'
import { mysqlTypeOf } from './mysql-types.ts'
import type { Page } from './page.ts'
import { numberIn, textAt, type SqlSession } from './session.ts'
import type { TargetColumn, TargetTable } from './target.ts'

export interface MysqlDialectOptions {
  readonly database: string
  open(): Promise<SqlSession & { readonly server: MysqlServerKind }>
  quote(name: string): string
  text(value: string): string
}

export interface MysqlServerKind {
  readonly flavour: 'mysql' | 'mariadb' | 'tidb'
  readonly version: readonly number[]
}

/** Use of VALUES() in ON DUPLICATE KEY UPDATE; a note that MySQL leaves from 8.0.20 on where there is no other way. */
const HARMLESS_WARNINGS: ReadonlySet<string> = new Set(['1287'])

/** What a packet has beside the statement. */
const PACKET_SLACK_BYTES = 1024

/** MySQL, MariaDB and TiDB: statements of many rows with `ON DUPLICATE KEY UPDATE`. */
export class MysqlDialect implements SqlDialect {
  readonly #options: MysqlDialectOptions
  #server: MysqlServerKind = { flavour: 'mariadb', version: [] }
  #packetBytes = Number.POSITIVE_INFINITY
  // Sessions are opened with autocommit off: a statement begins a transaction by itself.
  readonly beginSql = ''
  readonly sessionIdSql = 'CONNECTION_ID()'
  readonly types = {
    int: 'INT',
    small: 'SMALLINT',
    bigint: 'BIGINT',
    name: 'VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
  } as const

  constructor(options: MysqlDialectOptions) {
    this.#options = options
  }

  quote(name: string): string {
    return this.#options.quote(name)
  }

  text(value: string): string {
    return this.#options.text(value)
  }

  get database(): string {
    return this.#options.database
  }

  qualified(table: string, database: string = this.database): string {
    return `${this.quote(database)}.${this.quote(table)}`
  }

  async open(): Promise<SqlSession> {
    const session = await this.#options.open()
    this.#server = session.server
    const packet = await session.query('SELECT @@max_allowed_packet', 'reading settings')
    this.#packetBytes = numberIn(packet) ?? this.#packetBytes
    return session
  }

  async alone(session: SqlSession, sql: string, doing: string): Promise<void> {
    await session.query('SET autocommit = 1', doing)
    await session.query(sql, doing)
    await session.query('SET autocommit = 0', doing)
  }

  async commit(session: SqlSession): Promise<void> {
    await session.query('COMMIT', 'committing')
  }

  killSql(sessionId: string): string {
    return `KILL ${Number(sessionId)}`
  }

  lockWaitSql(seconds: number): string {
    return `SET SESSION innodb_lock_wait_timeout = ${seconds}`
  }

  async describe(session: SqlSession, table: string, database?: string): Promise<TargetTable | undefined> {
    return await describeMysqlTable(session, this.text(database ?? this.database), this.text(table))
  }

  async tables(session: SqlSession, prefix: string): Promise<readonly string[]> {
    const { rows } = await session.query(
      `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${this.text(this.#options.database)} ` +
        `AND LEFT(TABLE_NAME, ${prefix.length}) = ${this.text(prefix)}`,
      'listing tables',
    )
    return rows.map((row) => textAt(row, 0))
  }

  checkServer(session: SqlSession, needs: { readonly pageBytes: number }): Promise<readonly Finding[]> {
    return checkMysqlServer(session, this.#server, needs)
  }

  typeOf(column: NewColumn, isKey: boolean): string {
    return mysqlTypeOf(column, isKey)
  }

  alterTypeSql(column: string, type: string): string {
    return `MODIFY COLUMN ${this.quote(column)} ${type} NULL`
  }

  createDatabaseSql(database: string): string {
    return `CREATE DATABASE IF NOT EXISTS ${this.quote(database)}`
  }

  createTarget(table: string, schema: readonly NewColumn[], key: readonly string[]): string {
    const columns = schema.map((column) => {
      const isKey = key.includes(column.name)
      return `${this.quote(column.name)} ${mysqlTypeOf(column, isKey)}${isKey || !column.nullable ? ' NOT NULL' : ' NULL'}`
    })
    const primary = key.length === 0 ? [] : [`PRIMARY KEY (${this.#names(key)})`]
    return (
      `CREATE TABLE IF NOT EXISTS ${table} (${[...columns, ...primary].join(', ')}) ` +
      `DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`
    )
  }

  stageColumn({ name, type, more }: TargetColumn, isNullable: boolean): string {
    return `${this.quote(name)} ${type}${more}${isNullable ? ' NULL' : ' NOT NULL'}`
  }

  ignoreDuplicate(column: string): string {
    return ` ON DUPLICATE KEY UPDATE ${this.quote(column)} = ${this.quote(column)}`
  }

  orUpdate(_key: readonly string[], assignment: string): string {
    return ` ON DUPLICATE KEY UPDATE ${assignment}`
  }

  async writePage(session: SqlSession, target: PageTarget, page: Page, fence: PageFence): Promise<void> {
    const found = await session.query(fence.sql, 'looking for a newer instance')
    fence.check(numberIn(found) ?? 0)
    if (page.deletes > 0) await this.#deleteRows(session, target, page)
    if (page.puts > 0) await this.#putRows(session, target, page)
    await this.commit(session)
  }

  async #putRows(session: SqlSession, target: PageTarget, page: Page): Promise<void> {
    const hasAlias = this.#hasAlias
    const incoming = (name: string): string => (hasAlias ? `n.${this.quote(name)}` : `VALUES(${this.quote(name)})`)
    const [first = ''] = target.key
    const end =
      target.whenThere === 'keep'
        ? this.ignoreDuplicate(first)
        : updateClause(target, (name) => `${target.table}.${this.quote(name)}`, incoming, first)
    // Without a duplicate clause an alias would be a name for nothing.
    const alias = hasAlias && target.whenThere === 'update' ? ' AS n' : ''
    const start = `INSERT INTO ${target.table} (${this.#names(target.fields)}) VALUES (`
    const sql = page.join('rows', [start, '),(', `)${alias}${end}`])
    this.#refuseLarge(sql.length, page.puts, target.table)
    const answer = await session.query(sql.toString('utf8'), `writing ${page.puts} rows to ${target.table}`)
    if ((answer.warnings ?? 0) > 0) await refuseWarnings(session, target.table)
  }

  async #deleteRows(session: SqlSession, target: PageTarget, page: Page): Promise<void> {
    const start = `DELETE FROM ${target.table} WHERE (${this.#names(target.key)}) IN ((`
    const sql = page.join('keys', [start, '),(', '))'])
    this.#refuseLarge(sql.length, page.deletes, target.table)
    await session.query(sql.toString('utf8'), `deleting ${page.deletes} rows from ${target.table}`)
  }

  applyStage({ stage, table, columns, key, version, epoch, checkpoint, chunk }: ApplyStage): string[] {
    const own = `s.__epoch = ${epoch} AND s.__checkpoint = ${checkpoint}${chunk === undefined ? '' : ` AND s.__chunk = ${chunk}`}`
    const list = columns.map((name) => `s.${this.quote(name)}`).join(', ')
    const insert = `INSERT INTO ${table} (${this.#names(columns)}) SELECT ${list} FROM ${stage} s WHERE ${own}`
    if (key.length === 0) return [`${insert} ORDER BY s.__lane, s.__seq`]
    const match = key.map((name) => `t.${this.quote(name)} = s.${this.quote(name)}`).join(' AND ')
    const [first = ''] = key
    const hasAlias = this.#hasAlias
    const incoming = (name: string): string => (hasAlias ? `s.${this.quote(name)}` : `VALUES(${this.quote(name)})`)
    const inTable = (name: string): string => `${table}.${this.quote(name)}`
    const target = { columns, key, version }
    return [
      `DELETE t FROM ${table} t JOIN ${stage} s ON ${match} WHERE ${own} AND s.__op = 1`,
      `${insert} AND s.__op = 0 ${updateClause(target, inTable, incoming, first)}`,
    ]
  }

  /** The server would close the connection, which looks like a broken network; TiDB may cut the row off. */
  #refuseLarge(bytes: number, rows: number, table: string): void {
    if (bytes <= this.#packetBytes - PACKET_SLACK_BYTES) return
    const what = rows === 1 ? 'a row makes a statement' : `${rows} rows make a statement`
    throw new MillraceError(
      `writing to ${table}: ${what} of ${bytes} bytes, and max_allowed_packet of the server is ${this.#packetBytes}`,
      { code: 'POISON', detail: { rows, bytes } },
    )
  }

  /** From MySQL 8.0.20 on VALUES() leaves a warning in every statement; MariaDB and TiDB know nothing else. */
  get #hasAlias(): boolean {
    const { flavour, version } = this.#server
    const [major = 0, minor = 0, patch = 0] = version
    return flavour === 'mysql' && (major > 8 || (major === 8 && (minor > 0 || patch >= 20)))
  }

  #names(names: readonly string[]): string {
    return names.map((name) => this.quote(name)).join(', ')
  }
}

/**
 * Assignments run from left to right and see what those before them did, so the version comes last. Source: MySQL manual,
 * "INSERT ... ON DUPLICATE KEY UPDATE Statement" and "UPDATE Statement".
 */
function updateClause(
  { columns, key, version }: Pick<PageTarget, 'columns' | 'key' | 'version'>,
  own: (name: string) => string,
  incoming: (name: string) => string,
  first: string,
): string {
  const others = columns.filter((name) => !key.includes(name) && name !== version)
  const isNewer = version === undefined ? '' : `${own(version)} IS NULL OR ${incoming(version)} >= ${own(version)}`
  const set = others.map((name) =>
    version === undefined
      ? `${own(name)} = ${incoming(name)}`
      : `${own(name)} = IF(${isNewer}, ${incoming(name)}, ${own(name)})`,
  )
  const versions =
    version === undefined ? [] : [`${own(version)} = IF(${isNewer}, ${incoming(version)}, ${own(version)})`]
  const all = [...set, ...versions]
  return ` ON DUPLICATE KEY UPDATE ${all.length === 0 ? `${own(first)} = ${own(first)}` : all.join(', ')}`
}

/** A value that was rounded or cut off leaves a warning only: it is not ours to change values. */
async function refuseWarnings(session: SqlSession, table: string): Promise<void> {
  const { rows } = await session.query('SHOW WARNINGS', 'reading warnings')
  const bad = rows.find((row) => !HARMLESS_WARNINGS.has(textAt(row, 1)))
  if (bad === undefined) return
  const column = /column ['`](?:`[^`]*`\.)*`?([^'`]+)['`]/i.exec(textAt(bad, 2))?.[1]
  throw new MillraceError(
    `writing rows to ${table}: the server changed a value (warning ${textAt(bad, 1)}${column === undefined ? '' : `, column ${column}`}); nothing of the page was written`,
    { code: 'POISON', detail: { warning: textAt(bad, 1) } },
  )
}
