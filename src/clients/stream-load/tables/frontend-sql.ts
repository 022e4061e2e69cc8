import type { Connection } from 'mysql2/promise'
import { MillraceError } from '../../../core/errors.ts'
import type { Secret } from '../../../core/secret.ts'

export interface FrontendSqlOptions {
  /** `mysql://host:port` of the FEs' query ports, tried in turn. */
  readonly urls: readonly string[]
  readonly username: string
  readonly password: Secret
}

type Row = Readonly<Record<string, string | null>>

/** The FE's port of the MySQL protocol, for catalogs and ALTER. Values come as text. One statement at a time. */
export class FrontendSql {
  readonly #options: FrontendSqlOptions
  #connection: Connection | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: FrontendSqlOptions) {
    this.#options = options
  }

  /** A statement that the server refuses is SCHEMA and halts; a server that cannot be reached is asked again. */
  run(sql: string): Promise<readonly Row[]> {
    const turn = this.#turn.then(() => this.#run(sql))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn
    this.#connection?.destroy()
    this.#connection = undefined
  }

  async #run(sql: string): Promise<readonly Row[]> {
    this.#connection ??= await this.#connect()
    try {
      const [rows] = await this.#connection.query({ sql, rowsAsArray: false })
      return Array.isArray(rows) ? (rows as Row[]) : []
    } catch (thrown) {
      throw this.#classified(thrown, sql)
    }
  }

  async #connect(): Promise<Connection> {
    const { createConnection } = await import('mysql2/promise')
    const { urls, username, password } = this.#options
    let last: unknown
    for (const url of urls) {
      const { hostname, port } = new URL(url)
      try {
        return await createConnection({
          host: hostname,
          port: Number(port === '' ? '9030' : port),
          user: username,
          password: password.reveal(),
          connectTimeout: 10_000,
          supportBigNumbers: true,
          bigNumberStrings: true,
          dateStrings: true,
          // Text, whatever the server says about a column.
          typeCast: (field) => field.string(),
        })
      } catch (thrown) {
        last = thrown
      }
    }
    throw this.#classified(last, 'connecting')
  }

  #classified(thrown: unknown, doing: string): MillraceError {
    const { errno, code, message } = thrown as { errno?: number; code?: string; message: string }
    const at = this.#options.urls.join(', ')
    const isRefusal = typeof errno === 'number' && errno >= 1000 && errno < 9000 && code?.startsWith('ER_') !== false
    if (errno === 1045 || errno === 1044)
      return new MillraceError(`${at} refuses the user: ${message}`, { code: 'AUTH', cause: thrown })
    if (isRefusal && code !== 'PROTOCOL_CONNECTION_LOST')
      return new MillraceError(`${shortened(doing)}: ${message}`, { code: 'SCHEMA', cause: thrown })
    this.#connection?.destroy()
    this.#connection = undefined
    return new MillraceError(`asking ${at} (queryUrl, the FE’s port of the MySQL protocol): ${message}`, {
      code: 'UNAVAILABLE',
      retry: 'restart',
      cause: thrown,
    })
  }
}

function shortened(sql: string): string {
  return sql.length > 300 ? `${sql.slice(0, 300)}…` : sql
}
