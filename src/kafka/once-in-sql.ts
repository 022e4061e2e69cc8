import { MillraceError } from '../core/errors.ts'

/** What is needed of a connection of `pg`. */
export interface PostgresConnection {
  query(text: string, values?: unknown[]): Promise<{ readonly rowCount: number | null }>
}

/** What is needed of a connection of `mysql2/promise`. */
export interface MysqlConnection {
  query(sql: string, values?: unknown[]): Promise<readonly [result: unknown, ...unknown[]]>
}

export interface OnceInSqlOptions {
  /** Name of the table, with its schema or without. Default `handled_keys`. */
  readonly table?: string
  /** How long a key is remembered, in milliseconds, by the database's clock. Default seven days. */
  readonly rememberMs?: number
}

const KEY_BYTES_MAX = 512
const WEEK_MS = 7 * 86_400_000
/** Old keys that one statement takes away: it should not hold up those who come with new ones. */
const FORGET_MAX = 10_000

/** Statements; each gives the number of rows that it changed. */
interface Statements<Connection> {
  create(connection: Connection): Promise<number>
  claim(connection: Connection, key: string, rememberMs: number): Promise<number>
  forget(connection: Connection): Promise<number>
  plain(connection: Connection, sql: 'BEGIN' | 'COMMIT' | 'ROLLBACK'): Promise<number>
}

/**
 * Remembers business keys in a table of the database that the handler writes to, in the same transaction: whatever comes
 * again, after a crash too and in another process, changes nothing again.
 *
 *     const once = OnceInSql.postgres()
 *     await consumer.each((message) => once.run(connection, message.text(), () => connection.query('UPDATE …')))
 */
export class OnceInSql<Connection> {
  readonly #statements: Statements<Connection>
  readonly #rememberMs: number

  private constructor(statements: Statements<Connection>, rememberMs: number) {
    this.#statements = statements
    this.#rememberMs = rememberMs
  }

  static postgres({
    table = 'handled_keys',
    rememberMs = WEEK_MS,
  }: OnceInSqlOptions = {}): OnceInSql<PostgresConnection> {
    return new OnceInSql(postgresStatements(quoted(table, '"')), rememberMs)
  }

  /** MySQL and MariaDB. */
  static mysql({ table = 'handled_keys', rememberMs = WEEK_MS }: OnceInSqlOptions = {}): OnceInSql<MysqlConnection> {
    return new OnceInSql(mysqlStatements(quoted(table, '`')), rememberMs)
  }

  /** Makes the table unless it is there. */
  async createTable(connection: Connection): Promise<void> {
    await this.#statements.create(connection)
  }

  /**
   * In a transaction that the caller has begun: true when the key is new, and its work is to be done. Another transaction
   * that has the same key is waited for. The key counts when the transaction is committed, and is forgotten with it.
   */
  async claim(connection: Connection, key: string): Promise<boolean> {
    if (Buffer.byteLength(key) > KEY_BYTES_MAX)
      throw new MillraceError(`a business key is longer than ${KEY_BYTES_MAX} bytes: use a digest of it`, {
        code: 'CONFIG',
      })
    return (await this.#statements.claim(connection, key, this.#rememberMs)) > 0
  }

  /** Begins a transaction, does the work unless it was done before, and commits both. True when it was done now. */
  async run(connection: Connection, key: string, work: () => Promise<unknown>): Promise<boolean> {
    const { plain } = this.#statements
    await plain(connection, 'BEGIN')
    try {
      const isNew = await this.claim(connection, key)
      if (isNew) await work()
      await plain(connection, 'COMMIT')
      return isNew
    } catch (error) {
      // The error of the work is the one that counts; a connection that broke has rolled back by itself.
      await plain(connection, 'ROLLBACK').catch(() => undefined)
      throw error
    }
  }

  /** Takes away some keys whose time is over, and tells how many: for now and then, until there are none. */
  async forget(connection: Connection): Promise<number> {
    return await this.#statements.forget(connection)
  }
}

function postgresStatements(table: string): Statements<PostgresConnection> {
  const now = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'
  const run = async (connection: PostgresConnection, sql: string, values?: unknown[]): Promise<number> =>
    (await connection.query(sql, values)).rowCount ?? 0
  return {
    create: (connection) =>
      run(connection, `CREATE TABLE IF NOT EXISTS ${table} (key text PRIMARY KEY, forget_at bigint NOT NULL)`),
    claim: (connection, key, rememberMs) =>
      run(
        connection,
        `INSERT INTO ${table} AS known (key, forget_at) VALUES ($1, ${now} + $2::bigint)
         ON CONFLICT (key) DO UPDATE SET forget_at = excluded.forget_at WHERE known.forget_at <= ${now}`,
        [key, rememberMs],
      ),
    forget: (connection) =>
      run(
        connection,
        `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} WHERE forget_at <= ${now} LIMIT ${FORGET_MAX})`,
      ),
    plain: (connection, sql) => run(connection, sql),
  }
}

function mysqlStatements(table: string): Statements<MysqlConnection> {
  const now = 'CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)'
  const run = async (connection: MysqlConnection, sql: string, values?: unknown[]): Promise<number> => {
    const [result] = await connection.query(sql, values)
    return (result as { readonly affectedRows?: number }).affectedRows ?? 0
  }
  return {
    // Bytes: a collation would take keys for the same that differ in case.
    create: (connection) =>
      run(
        connection,
        `CREATE TABLE IF NOT EXISTS ${table}
           (\`key\` varbinary(${KEY_BYTES_MAX}) PRIMARY KEY, forget_at bigint NOT NULL) ENGINE = InnoDB`,
      ),
    async claim(connection, key, rememberMs) {
      const bytes = Buffer.from(key, 'utf8')
      const added = await run(connection, `INSERT IGNORE INTO ${table} VALUES (?, ${now} + ?)`, [bytes, rememberMs])
      if (added > 0) return added
      // What ON DUPLICATE KEY UPDATE answers depends on how the connection counts rows.
      const renew = `UPDATE ${table} SET forget_at = ${now} + ? WHERE \`key\` = ? AND forget_at <= ${now}`
      return await run(connection, renew, [rememberMs, bytes])
    },
    forget: (connection) => run(connection, `DELETE FROM ${table} WHERE forget_at <= ${now} LIMIT ${FORGET_MAX}`),
    plain: (connection, sql) => run(connection, sql),
  }
}

function quoted(table: string, quote: string): string {
  const names = table.split('.')
  if (names.length > 2 || names.some((name) => !/^[\p{L}_][\p{L}\p{N}_$]*$/u.test(name)))
    throw new MillraceError(`${JSON.stringify(table)} is no name of a table`, { code: 'CONFIG' })
  return names.map((name) => `${quote}${name}${quote}`).join('.')
}
