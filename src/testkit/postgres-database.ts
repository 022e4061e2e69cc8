import { randomUUID } from 'node:crypto'
import { parsePgAddress, PgConnection, type PgRow } from '../clients/postgres-replication/index.ts'
import { Secret } from '../core/secret.ts'

/** A database of a test's own on a shared server, dropped with its replication slots at the end. */
export class PostgresDatabase implements AsyncDisposable {
  readonly name: string
  readonly #url: URL
  #connection: PgConnection

  /** `url` has user and password, and no database. */
  static async create(url: string): Promise<PostgresDatabase> {
    const name = `test_${randomUUID().replaceAll('-', '').slice(0, 16)}`
    await using admin = await connect(new URL(url), 'postgres')
    await admin.query(`CREATE DATABASE ${name}`, 'making a database')
    return new PostgresDatabase(new URL(url), name, await connect(new URL(url), name))
  }

  private constructor(url: URL, name: string, connection: PgConnection) {
    this.#url = url
    this.name = name
    this.#connection = connection
  }

  /** Options of connectors that name this database. */
  get options(): { readonly url: string; readonly username: string; readonly password: string } {
    const { username, password } = this.#url
    return { url: `postgres://${this.#url.host}/${this.name}`, username, password }
  }

  sql(text: string): Promise<PgRow[]> {
    return this.#connection.query(text, 'testing')
  }

  /** After a restart of the server. */
  async reconnect(): Promise<void> {
    this.#connection = await this.session()
  }

  /** Another session of the same database. */
  session(): Promise<PgConnection> {
    return connect(this.#url, this.name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close()
    await using admin = await connect(this.#url, 'postgres')
    await admin.query(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${this.name}' AND pid <> pg_backend_pid()`,
      'ending sessions',
    )
    await admin.query(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${this.name}'`,
      'dropping slots',
    )
    await admin.query(`DROP DATABASE ${this.name} WITH (FORCE)`, 'dropping a database')
  }
}

function connect(url: URL, database: string): Promise<PgConnection> {
  return PgConnection.open({
    address: parsePgAddress(`postgres://${url.host}/${database}?sslmode=disable`),
    username: url.username,
    password: new Secret(url.password),
    isReplication: false,
    applicationName: 'test',
  })
}
