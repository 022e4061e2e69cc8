import { randomUUID } from 'node:crypto'
import { MysqlConnection } from '../clients/mysql/index.ts'
import { PostgresConnection } from '../clients/postgres/index.ts'
import type { Batch } from '../core/batch.ts'
import type { SinkConnector } from '../core/connector.ts'
import type { Schema } from '../core/schema.ts'
import { Secret } from '../core/secret.ts'
import type { Sink } from '../core/sink.ts'
import { openLaneDatabase, quoteName, type LaneDatabase } from '../dataplane/index.ts'

/** A database of its own on a server of the test run, asked past the code under test. */
export interface SqlTarget extends AsyncDisposable {
  readonly kind: 'mysql' | 'postgres'
  /** With the database, as options of connectors have it. */
  readonly url: string
  readonly username: string
  readonly password: string
  /** Runs a statement; cells are the server's texts, bytes in hexadecimal. */
  query(sql: string): Promise<SqlTargetRows>
  /** A connection of its own, for a transaction. */
  session(): Promise<{ query(sql: string): Promise<SqlTargetRows> } & AsyncDisposable>
}

type SqlTargetRows = readonly (readonly (string | null)[])[]

export async function openSqlTarget(serverUrl: string): Promise<SqlTarget> {
  await using stack = new AsyncDisposableStack()
  return { ...(await makeDatabaseOn(serverUrl, stack)), ...disposal(stack.move()) }
}

function disposal(stack: AsyncDisposableStack): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() }
}

async function makeDatabaseOn(
  serverUrl: string,
  stack: AsyncDisposableStack,
): Promise<Omit<SqlTarget, typeof Symbol.asyncDispose>> {
  const { protocol, hostname, port, username, password } = new URL(serverUrl)
  const kind = protocol === 'postgres:' ? 'postgres' : 'mysql'
  const database = `t_${randomUUID().replaceAll('-', '').slice(0, 20)}`
  const address = { host: hostname, port: Number(port), user: username, password: new Secret(password) }
  const url = `${protocol}//${hostname}:${port}/${database}`
  const open = async (name: string): Promise<MysqlConnection | PostgresConnection> =>
    kind === 'postgres'
      ? await PostgresConnection.open({ ...address, database: name })
      : await MysqlConnection.open({ ...address, ...(name === 'postgres' ? {} : { database: name }) })
  const drop = async (): Promise<void> => {
    const last = await open('postgres').catch(() => undefined)
    await last?.query(`DROP DATABASE ${database}${kind === 'postgres' ? ' WITH (FORCE)' : ''}`).catch(() => undefined)
    await last?.close()
  }
  const first = await open('postgres')
  await first.query(`CREATE DATABASE ${database}`)
  await first.close()
  stack.defer(drop)
  const ask = async (connection: MysqlConnection | PostgresConnection, sql: string): Promise<SqlTargetRows> => {
    const { rows } = await connection.query(sql)
    return rows.map((row) =>
      row.map((cell) => (cell === null || typeof cell === 'string' ? cell : cell.toString('hex'))),
    )
  }
  let connection: MysqlConnection | PostgresConnection | undefined
  stack.defer(async () => await connection?.close())
  return {
    kind,
    url,
    username,
    password,
    query: async (sql) => {
      if (connection?.isUsable !== true) connection = await open(database)
      return await ask(connection, sql)
    },
    session: async () => {
      const own = await open(database)
      return { query: (sql) => ask(own, sql), [Symbol.asyncDispose]: () => own.close() }
    },
  }
}

/** Rows for SQL sinks: made by DuckDB in a lane's database of the test's own. */
export class LaneTables implements AsyncDisposable {
  readonly database: LaneDatabase
  #made = 0

  private constructor(database: LaneDatabase) {
    this.database = database
  }

  static async open(): Promise<LaneTables> {
    return new LaneTables(await openLaneDatabase({ memoryLimitBytes: 64 << 20 }))
  }

  /** The rows of a SELECT as a batch. */
  async batch(select: string): Promise<Batch> {
    const relation = `rows ${++this.#made}`
    await this.database.run(`CREATE TEMP TABLE ${quoteName(relation)} AS ${select}`)
    const rows = Number((await this.database.run(`SELECT count(*) FROM ${quoteName(relation)}`))[0]?.[0])
    return {
      kind: 'batch',
      split: 'test',
      from: {},
      next: {},
      body: { kind: 'table', relation, schema: [] },
      rows,
      bytes: rows * 10,
      release: () => void this.database.run(`DROP TABLE ${quoteName(relation)}`),
    }
  }

  /** The columns of a SELECT, as the plan would know them. */
  async schema(select: string): Promise<Schema> {
    const rows = await this.database.run(`DESCRIBE ${select}`)
    return rows.map(([name, type]) => ({ name: String(name), type: String(type).toLowerCase(), nullable: true }))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.database.close()
  }
}

/** A sink made from options as a user writes them, for a table of the target. */
export async function makeSqlSink(
  connector: AnySqlSink,
  target: SqlTarget,
  options: Readonly<Record<string, unknown>>,
): Promise<Sink> {
  const { url, username, password } = target
  return await connector.open({ url, username, password, ...options })
}

/** A sink connector whose options are given as a user writes them. */
export interface AnySqlSink {
  open(options: Readonly<Record<string, unknown>>): Promise<Sink>
}

export function anySqlSink<O>(connector: SinkConnector<O>): AnySqlSink {
  return { open: (options) => connector.create(connector.options.parse(options)) }
}
