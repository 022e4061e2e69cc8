import { hash } from 'node:crypto'
import type { Finding } from '../../core/checkpoint-types.ts'
import { MillraceError } from '../../core/errors.ts'
import type { ApplyStage, NewColumn, PageFence, PageTarget, SqlDialect } from './dialect.ts'
import type { Page } from './page.ts'
import { describePostgresTable } from './postgres-describe.ts'
import { postgresTypeOf } from './postgres-types.ts'
import { numberIn, textAt, type SqlSession } from './session.ts'
import type { TargetColumn, TargetTable } from './target.ts'

export interface PostgresDialectOptions {
  readonly schema: string
  open(): Promise<SqlSession>
  quote(name: string): string
  text(value: string): string
}

/** Rows as one array constant, so that a statement is planned once for any number of them. */
const ARRAY = ['{"(', ')","(', ')"}'] as const

/** PostgreSQL: a page is one array of row values, so that a statement has one parameter and one plan for any size. */
export class PostgresDialect implements SqlDialect {
  readonly #options: PostgresDialectOptions
  readonly beginSql = 'BEGIN; '
  readonly sessionIdSql = 'pg_backend_pid()'
  readonly types = { int: 'integer', small: 'smallint', bigint: 'bigint', name: 'varchar(200) COLLATE "C"' } as const

  constructor(options: PostgresDialectOptions) {
    this.#options = options
  }

  quote(name: string): string {
    return this.#options.quote(name)
  }

  text(value: string): string {
    return this.#options.text(value)
  }

  get database(): string {
    return this.#options.schema
  }

  qualified(table: string, database: string = this.database): string {
    return `${this.quote(database)}.${this.quote(table)}`
  }

  open(): Promise<SqlSession> {
    return this.#options.open()
  }

  async alone(session: SqlSession, sql: string, doing: string): Promise<void> {
    await session.query(sql, doing)
  }

  /** A transaction that failed before answers COMMIT with ROLLBACK, and no error. */
  async commit(session: SqlSession): Promise<void> {
    const { command } = await session.query('COMMIT', 'committing')
    if (command === 'COMMIT') return
    throw new MillraceError(`committing: the server answered ${command ?? 'nothing'}, so nothing was committed`, {
      code: 'UNAVAILABLE',
      retry: 'retry',
    })
  }

  /** Process ids are given again: only a client of this database that says it is one of ours is ended. */
  killSql(sessionId: string): string {
    return (
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ${Number(sessionId)} ` +
      `AND datname = current_database() AND application_name LIKE 'millrace%'`
    )
  }

  lockWaitSql(seconds: number): string {
    return `SET lock_timeout = ${seconds * 1000}`
  }

  async describe(session: SqlSession, table: string, database?: string): Promise<TargetTable | undefined> {
    return await describePostgresTable(session, this.text(this.qualified(table, database)))
  }

  async tables(session: SqlSession, prefix: string): Promise<readonly string[]> {
    const { rows } = await session.query(
      `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace(${this.text(this.quote(this.#options.schema))}) ` +
        `AND left(relname, ${prefix.length}) = ${this.text(prefix)}`,
      'listing tables',
    )
    return rows.map((row) => textAt(row, 0))
  }

  async checkServer(session: SqlSession): Promise<readonly Finding[]> {
    const { rows } = await session.query(
      "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only'), current_setting('statement_timeout')",
      'reading settings',
    )
    const [replica, readOnly, timeout] = [0, 1, 2].map((at) => textAt(rows[0] ?? [], at))
    const findings: Finding[] = []
    if (replica === 't' || readOnly === 'on') {
      const message = 'the server is read-only (a replica?)'
      findings.push({ severity: 'error', code: 'PREFLIGHT', message, hint: 'Give the address of the primary.' })
    }
    if (timeout !== '0') {
      const message = `statement_timeout of the user is ${timeout}: a large checkpoint may not be applied in that time`
      const hint = 'ALTER ROLE … SET statement_timeout = 0, or apply: chunks.'
      findings.push({ severity: 'warning', code: 'PREFLIGHT', message, hint })
    }
    return findings
  }

  typeOf({ type }: NewColumn): string {
    return postgresTypeOf(type)
  }

  alterTypeSql(column: string, type: string): string {
    return `ALTER COLUMN ${this.quote(column)} TYPE ${type} USING ${this.quote(column)}::${type}`
  }

  createDatabaseSql(database: string): string {
    return `CREATE SCHEMA IF NOT EXISTS ${this.quote(database)}`
  }

  createTarget(table: string, schema: readonly NewColumn[], key: readonly string[]): string {
    const columns = schema.map(({ name, type, nullable }) => {
      const isNotNull = key.includes(name) || !nullable
      return `${this.quote(name)} ${postgresTypeOf(type)}${isNotNull ? ' NOT NULL' : ''}`
    })
    const primary = key.length === 0 ? [] : [`PRIMARY KEY (${this.#names(key)})`]
    return `CREATE TABLE IF NOT EXISTS ${table} (${[...columns, ...primary].join(', ')})`
  }

  stageColumn({ name, type, more }: TargetColumn, isNullable: boolean): string {
    return `${this.quote(name)} ${type}${more}${isNullable ? '' : ' NOT NULL'}`
  }

  ignoreDuplicate(): string {
    return ' ON CONFLICT DO NOTHING'
  }

  orUpdate(key: readonly string[], assignment: string): string {
    return ` ON CONFLICT (${this.#names(key)}) DO UPDATE SET ${assignment}`
  }

  /**
   * One statement, so one round trip and a transaction of its own: the fence is locked first, since nothing is written where
   * it has another epoch. Rows and keys of a page differ, so that the order of its parts says nothing.
   */
  async writePage(session: SqlSession, target: PageTarget, page: Page, fence: PageFence): Promise<void> {
    const texts: (string | Buffer)[] = [String(fence.epoch)]
    const parts = [`fence AS MATERIALIZED (${fence.sql})`]
    const isOurs = '(SELECT epoch FROM fence) = $1::bigint'
    const { table, columns } = target
    if (page.deletes > 0) {
      texts.push(page.join('keys', ARRAY))
      const match = target.key.map((name) => `t.${this.quote(name)} = k.${this.quote(name)}`).join(' AND ')
      const keys = `unnest($${texts.length}::text::${table}[])`
      parts.push(`gone AS (DELETE FROM ${table} t USING ${keys} k WHERE ${match} AND ${isOurs})`)
    }
    if (page.puts > 0) {
      texts.push(page.join('rows', ARRAY))
      const list = this.#names(columns)
      const rows = `unnest($${texts.length}::text::${table}[])`
      const end = target.whenThere === 'keep' ? this.ignoreDuplicate() : this.#updateClause(target)
      parts.push(
        target.isPartial
          ? `put AS (${this.#updateSql(target, rows)} AND ${isOurs})`
          : `put AS (INSERT INTO ${table} AS t (${list}) SELECT ${list} FROM ${rows} WHERE ${isOurs}${end})`,
      )
    }
    const sql = `WITH ${parts.join(', ')} SELECT epoch FROM fence`
    const doing = `writing ${page.puts} rows to ${table}${page.deletes > 0 ? ` and deleting ${page.deletes}` : ''}`
    const found = await session.query(sql, doing, { texts, name: `millrace ${hash('md5', sql)}` })
    fence.check(numberIn(found) ?? 0)
  }

  applyStage({ stage, table, columns, key, version, epoch, checkpoint, chunk }: ApplyStage): string[] {
    const own = `s.__epoch = ${epoch} AND s.__checkpoint = ${checkpoint}${chunk === undefined ? '' : ` AND s.__chunk = ${chunk}`}`
    const list = this.#names(columns)
    const insert = `INSERT INTO ${table} AS t (${list}) SELECT ${list} FROM ${stage} s WHERE ${own}`
    if (key.length === 0) return [`${insert} ORDER BY s.__lane, s.__seq`]
    const match = key.map((name) => `t.${this.quote(name)} = s.${this.quote(name)}`).join(' AND ')
    return [
      `DELETE FROM ${table} t USING ${stage} s WHERE ${match} AND ${own} AND s.__op = 1`,
      `${insert} AND s.__op = 0${this.#updateClause({ columns, key, version })}`,
    ]
  }

  /** NOT NULL is looked for before a conflict is, so that an INSERT cannot leave columns out. */
  #updateSql({ table, columns, key, version }: PageTarget, rows: string): string {
    const set = columns
      .filter((name) => !key.includes(name))
      .map((name) => `${this.quote(name)} = r.${this.quote(name)}`)
    const match = key.map((name) => `t.${this.quote(name)} = r.${this.quote(name)}`).join(' AND ')
    // Nothing to change: the statement has to be one all the same.
    const [first = ''] = key
    const all = set.length === 0 ? `${this.quote(first)} = r.${this.quote(first)}` : set.join(', ')
    return `UPDATE ${table} t SET ${all} FROM ${rows} r WHERE ${match}${this.#guard(' AND', version, 'r')}`
  }

  /** True where the row that is there has no version, or none that is newer. */
  #guard(before: string, version: string | undefined, incoming: string): string {
    if (version === undefined) return ''
    const name = this.quote(version)
    return `${before} (t.${name} IS NULL OR ${incoming}.${name} >= t.${name})`
  }

  #updateClause({ columns, key, version }: Pick<PageTarget, 'columns' | 'key' | 'version'>): string {
    const others = columns.filter((name) => !key.includes(name))
    if (others.length === 0) return ` ON CONFLICT (${this.#names(key)}) DO NOTHING`
    const set = others.map((name) => `${this.quote(name)} = EXCLUDED.${this.quote(name)}`).join(', ')
    return ` ON CONFLICT (${this.#names(key)}) DO UPDATE SET ${set}${this.#guard(' WHERE', version, 'EXCLUDED')}`
  }

  #names(names: readonly string[]): string {
    return names.map((name) => this.quote(name)).join(', ')
  }
}
