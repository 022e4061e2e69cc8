import pg from 'pg'
import { toMillraceError } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'
import { CopyOut, type TakeRow } from './copy-out.ts'
import { postgresError } from './errors.ts'
import { assertAllowedHost, GuardedSocket } from './guarded-socket.ts'

export interface PostgresAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: Secret
  readonly database: string
  /** Absent: no TLS. The server's certificate is verified, with `ca` (PEM) in place of the machine's authorities. */
  readonly tls?: { readonly ca?: string | undefined } | undefined
  /** Seen in `pg_stat_activity`; 63 bytes at most. */
  readonly application?: string | undefined
}

export interface PostgresResult {
  /** Cells as the server's own text: nothing is parsed, so that nothing is rounded. */
  readonly rows: readonly (readonly (string | null)[])[]
  readonly columns: readonly string[]
  /** The command tag's word: `INSERT`, `COMMIT`. An aborted transaction answers COMMIT with `ROLLBACK`. */
  readonly command: string
  readonly affected: number
}

export interface PostgresSession {
  /** Milliseconds; a lock that is not had by then is an error that may be retried. */
  readonly lockTimeoutMs?: number
}

const CONNECT_MS = 10_000

/** Leaves every value as the server's text. */
const asText: pg.CustomTypesConfig = { getTypeParser: () => (text: string | Buffer) => text }

/** One connection with one statement at a time. Errors are typed; after any of them the transaction has to be rolled back. */
export class PostgresConnection implements AsyncDisposable {
  readonly #client: pg.Client
  readonly #place: string
  /** `[15, 18]` */
  readonly version: readonly number[]
  #isBroken = false

  private constructor(client: pg.Client, place: string, version: readonly number[]) {
    this.#client = client
    this.#place = place
    this.version = version
    client.on('error', () => (this.#isBroken = true))
    client.on('end', () => (this.#isBroken = true))
  }

  /**
   * Connects, logs in and sets the session: UTC, ISO dates, exact floats, standard strings.
   *
   * @throws MillraceError `AUTH`, `SCHEMA` for a missing database, or `UNAVAILABLE` (retry) when it cannot be reached.
   */
  static async open(address: PostgresAddress, session: PostgresSession = {}): Promise<PostgresConnection> {
    const place = `${address.host}:${address.port}`
    assertAllowedHost(address.host)
    const client = new pg.Client(clientConfig(address))
    client.on('error', () => undefined)
    try {
      await client.connect()
      const opened = new PostgresConnection(client, place, [])
      const { rows } = await opened.query('SHOW server_version_num')
      const number = Number(rows[0]?.[0] ?? 0)
      const connection = new PostgresConnection(client, place, [Math.floor(number / 10_000), number % 10_000])
      await connection.query(
        `SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 1; ` +
          `SET standard_conforming_strings = on; SET bytea_output = 'hex'; SET client_min_messages = 'error'; ` +
          `SET lock_timeout = ${session.lockTimeoutMs ?? 10_000}`,
      )
      return connection
    } catch (thrown) {
      void client.end().catch(() => undefined)
      throw postgresError(`connecting to ${place}`, thrown)
    }
  }

  /** False after the connection was lost. */
  get isUsable(): boolean {
    return !this.#isBroken
  }

  /**
   * Runs a statement (or several, without values; the last one's result comes back). Statements with a `name` are planned
   * once for each connection; bytes are for parameters of the type `text`. `doing` goes into the message of an error; the statement, which may hold values, does not.
   */
  async query(
    sql: string,
    doing = 'running a statement',
    values?: { readonly texts: readonly (string | Buffer | null)[]; readonly name?: string },
  ): Promise<PostgresResult> {
    try {
      const config: pg.QueryArrayConfig = {
        text: sql,
        rowMode: 'array',
        types: asText,
        ...(values === undefined ? {} : { values: [...values.texts] }),
        ...(values?.name === undefined ? {} : { name: values.name }),
      }
      const answered: unknown = await this.#client.query(config)
      const results = (Array.isArray(answered) ? answered : [answered]) as pg.QueryArrayResult<(string | null)[]>[]
      const last = results.at(-1)
      return {
        rows: last?.rows ?? [],
        columns: last?.fields?.map(({ name }) => name) ?? [],
        command: last?.command ?? '',
        affected: last?.rowCount ?? 0,
      }
    } catch (thrown) {
      throw postgresError(`${doing} on ${this.#place}`, thrown)
    }
  }

  /**
   * Runs `COPY … TO STDOUT` and hands on every row. An abort, an error of the server and one that `take` throws end the
   * connection; those of `take` are thrown as typed errors.
   */
  async copyOut(sql: string, doing: string, take: TakeRow, signal?: AbortSignal): Promise<void> {
    let own: Error | undefined
    const copy = new CopyOut(sql, (bytes, start, end) => {
      try {
        return take(bytes, start, end)
      } catch (thrown) {
        own = toMillraceError(thrown)
        throw own
      }
    })
    const stop = (): void => this.destroy()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      this.#client.query(copy)
      await copy.done
    } catch (thrown) {
      this.destroy()
      throw own ?? postgresError(`${doing} on ${this.#place}`, thrown)
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  async close(): Promise<void> {
    const isBroken = this.#isBroken
    this.#isBroken = true
    if (isBroken) return this.destroy()
    const impatience = setTimeout(() => this.destroy(), 1000)
    await this.#client.end().catch(() => undefined)
    clearTimeout(impatience)
  }

  /** Ends the connection at once: the server rolls back what is open. */
  destroy(): void {
    this.#isBroken = true
    const { connection } = this.#client as unknown as { connection?: { stream?: { destroy(): void } } }
    connection?.stream?.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function clientConfig({ host, port, user, password, database, tls, application }: PostgresAddress): pg.ClientConfig {
  return {
    host,
    port,
    user,
    password: password.reveal(),
    database,
    application_name: (application ?? 'millrace').slice(0, 63),
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    stream: () => new GuardedSocket(),
    ssl: tls === undefined ? false : { rejectUnauthorized: true, ...(tls.ca === undefined ? {} : { ca: tls.ca }) },
  }
}
