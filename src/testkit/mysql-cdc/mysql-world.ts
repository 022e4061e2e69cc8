import { randomUUID } from 'node:crypto'
import { MysqlConnection, type MysqlAddress } from '../../clients/mysql-replication/index.ts'
import { Secret } from '../../core/secret.ts'
import { Follower } from './follower.ts'

/** A database of a test's own on a server that others use too. */
export class MysqlWorld implements AsyncDisposable {
  readonly database: string
  connection: MysqlConnection
  readonly #address: MysqlAddress
  readonly #open: MysqlConnection[] = []

  static async create(url: string, charset = 'utf8mb4'): Promise<MysqlWorld> {
    const { hostname, port, username, password } = new URL(url)
    const address = {
      host: hostname,
      port: Number(port),
      username,
      password: new Secret(password),
      allowPlaintext: false,
      connectTimeoutMs: 5000,
    }
    const world = new MysqlWorld(await MysqlConnection.open(address), address)
    await world.sql(`CREATE DATABASE ${world.database} DEFAULT CHARACTER SET ${charset}`)
    await world.sql(`USE ${world.database}`)
    await world.sql("SET time_zone = '+00:00'")
    return world
  }

  private constructor(connection: MysqlConnection, address: MysqlAddress) {
    this.connection = connection
    this.#address = address
    this.database = `cdc_${randomUUID().replaceAll('-', '').slice(0, 16)}`
  }

  get isMariadb(): boolean {
    return /mariadb/i.test(this.connection.version)
  }

  async sql(...statements: readonly string[]): Promise<void> {
    for (const statement of statements) await this.connection.query(statement)
  }

  /** After a restart of the server. */
  async reconnect(): Promise<void> {
    this.connection = await this.session()
  }

  /** Another session. */
  async session(): Promise<MysqlConnection> {
    const connection = await MysqlConnection.open(this.#address)
    this.#open.push(connection)
    await connection.query(`USE ${this.database}`)
    await connection.query("SET time_zone = '+00:00'")
    return connection
  }

  /** A source of this database: all its tables, unless the options say otherwise. */
  follower(options: object = {}): Follower {
    return new Follower(`${this.database}${randomUUID()}`, this.sourceOptions(options))
  }

  sourceOptions(options: object = {}): object {
    const { host, port, username, password } = this.#address
    return {
      url: `mysql://${host}:${port}`,
      username,
      password: password.reveal(),
      ...('table' in options ? {} : { tables: [`${this.database}\\..*`] }),
      ...options,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql(`DROP DATABASE IF EXISTS ${this.database}`)
    for (const connection of this.#open) connection.close()
    this.connection.close()
  }
}
