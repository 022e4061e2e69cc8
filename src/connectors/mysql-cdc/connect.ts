import { createHash } from 'node:crypto'
import { Charsets, MysqlConnection, type Flavour } from '../../clients/mysql-replication/index.ts'
import type { MysqlCdcOptions } from './options.ts'

const CONNECT_TIMEOUT_MS = 10_000

export async function openConnection(options: MysqlCdcOptions): Promise<MysqlConnection> {
  const { username, password, tls, allowPlaintext } = options
  const { hostname, port } = new URL(options.url)
  const connection = await MysqlConnection.open({
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? 3306 : Number(port),
    username,
    password,
    tls,
    allowPlaintext,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  })
  try {
    // What a row looks like must not depend on settings of the server: the log does not either.
    await connection.query("SET SESSION sql_mode = '', time_zone = '+00:00', character_set_results = utf8mb4")
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY')
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

export function flavourOf(connection: MysqlConnection): Flavour {
  return /mariadb/i.test(connection.version) ? 'mariadb' : 'mysql'
}

export async function readCharsets(connection: MysqlConnection): Promise<Charsets> {
  const rows = await connection.query(
    'SELECT c.ID, c.CHARACTER_SET_NAME, s.MAXLEN FROM information_schema.COLLATIONS c ' +
      'JOIN information_schema.CHARACTER_SETS s ON s.CHARACTER_SET_NAME = c.CHARACTER_SET_NAME WHERE c.ID IS NOT NULL',
  )
  return new Charsets(
    new Map(rows.map(([id, name, bytes]) => [Number(id), { name: name ?? '', bytesMax: Number(bytes) }])),
  )
}

/** Server ids of a source: the first reads the log, those after it look after the snapshots of the lanes. */
export function serverIdOf(options: MysqlCdcOptions, who: { readonly job: string; readonly id: string }): number {
  if (options.serverId !== undefined) return options.serverId
  const hash = createHash('sha256').update(`${who.job}\0${who.id}`).digest()
  // Above what people number their servers with, and room for a lane's number behind.
  return 0x40_00_00_00 + hash.readUIntBE(0, 3) * 64
}

/** A name in SQL. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}
