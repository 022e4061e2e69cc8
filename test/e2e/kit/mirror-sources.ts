import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { MysqlConnection } from '../../../src/clients/mysql/index.ts'
import { PostgresConnection } from '../../../src/clients/postgres/index.ts'
import { Secret } from '../../../src/core/secret.ts'

/** A database that a test may do with as it likes. */
export interface MirrorSource extends AsyncDisposable {
  readonly address: string
  readonly environment: Readonly<Record<string, string>>
  run(sql: string): Promise<void>
  /** Cells as the server's texts. */
  query(sql: string): Promise<readonly (readonly (string | null)[])[]>
}

export async function openMysql(): Promise<MirrorSource> {
  const server = await useDatabase('mysql')
  const { hostname, port, username, password } = new URL(server.url)
  const database = `mirror_${randomUUID().slice(0, 8)}`
  const address = { host: hostname, port: Number(port), user: username, password: new Secret(password) }
  const admin = await MysqlConnection.open(address)
  await admin.query(`CREATE DATABASE ${database}`)
  await admin.query(`USE ${database}`)
  return {
    address: `mysql://${username}@${hostname}:${port}/${database}`,
    environment: { MYSQL_PASSWORD: password },
    run: async (sql) => void (await admin.query(sql)),
    query: async (sql) => textsOf((await admin.query(sql)).rows),
    [Symbol.asyncDispose]: async () => {
      await admin.query(`DROP DATABASE ${database}`)
      await admin.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

export async function openPostgres(): Promise<MirrorSource> {
  const server = await useDatabase('postgres')
  const { hostname, port, username, password } = new URL(server.url)
  const database = `mirror_${randomUUID().slice(0, 8)}`
  const at = { host: hostname, port: Number(port), user: username, password: new Secret(password) }
  const admin = await PostgresConnection.open({ ...at, database: 'postgres' })
  await admin.query(`CREATE DATABASE ${database}`)
  const connection = await PostgresConnection.open({ ...at, database })
  return {
    address: `postgres://${username}@${hostname}:${port}/${database}?sslmode=disable`,
    environment: { POSTGRES_PASSWORD: password },
    run: async (sql) => void (await connection.query(sql)),
    query: async (sql) => textsOf((await connection.query(sql)).rows),
    [Symbol.asyncDispose]: async () => {
      await dropSlots(connection)
      await connection.close()
      await admin.query(`DROP DATABASE ${database} WITH (FORCE)`)
      await admin.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** The server may notice a moment late that the reader of a slot has gone. */
async function dropSlots(connection: PostgresConnection): Promise<void> {
  const own = 'FROM pg_replication_slots WHERE database = current_database()'
  for (let left = 600; left > 0; left--) {
    await connection.query(`SELECT pg_drop_replication_slot(slot_name) ${own} AND NOT active`)
    const { rows } = await connection.query(`SELECT 1 ${own}`)
    if (rows.length === 0) return
    await pause(100)
  }
}

function textsOf(rows: readonly (readonly (string | Uint8Array | null)[])[]): (string | null)[][] {
  return rows.map((row) => row.map((cell) => (cell instanceof Uint8Array ? Buffer.from(cell).toString('hex') : cell)))
}
