import { randomUUID } from 'node:crypto'
import { MillraceError } from '../core/errors.ts'
import { startDorisEmulator } from './emulators/doris/index.ts'
import { startStarRocksEmulator } from './emulators/starrocks/index.ts'

export type LoadServer = 'starrocks' | 'doris'

/** An empty table `events (id BIGINT)` on an emulator or on a real server, and a way to see it that is not our sink's. */
export interface LoadTarget extends AsyncDisposable {
  readonly url: readonly string[]
  /** Absent: the sink asks the frontend. */
  readonly backends?: readonly string[]
  readonly allowPlaintext: boolean
  readonly username: string
  readonly password: string
  readonly database: string
  readonly table: string
  /** Visible ids, ascending. */
  ids(): Promise<readonly number[]>
}

/** Where a real server is, or `undefined` when nobody named one in MILLRACE_STARROCKS or MILLRACE_DORIS. */
export function realServer(server: LoadServer): string | undefined {
  const address = process.env[`MILLRACE_${server.toUpperCase()}`] ?? ''
  return address === '' ? undefined : address
}

export async function emulatedTarget(server: LoadServer): Promise<LoadTarget> {
  const start = server === 'starrocks' ? startStarRocksEmulator : startDorisEmulator
  const [database, table, password] = ['shop', 'events', 'canary']
  const columns = [{ name: 'id', type: 'BIGINT' }]
  const emulator = await start({ password, tables: [{ database, table, columns, model: 'duplicate' }] })
  return {
    url: emulator.urls,
    backends: emulator.backends,
    allowPlaintext: false,
    username: 'root',
    password,
    database,
    table,
    ids: async () =>
      emulator
        .rows(database, table)
        .map((row) => Number(row['id']))
        .sort((a, b) => a - b),
    [Symbol.asyncDispose]: () => emulator.close(),
  }
}

/**
 * A table of its own in the database `millrace_test` of a real server, dropped at the end.
 *
 * @param address `http://user:password@frontend:8030?queryPort=9030`; `backends=host:port,…` where the test cannot
 * reach the addresses that the frontend knows.
 */
export async function realTarget(server: LoadServer, address: string): Promise<LoadTarget> {
  const { createConnection } = await import('mysql2/promise')
  const at = addressParts(address)
  const connection = await createConnection({
    ...at.account,
    host: at.host,
    port: at.queryPort,
    supportBigNumbers: true,
  })
  const database = 'millrace_test'
  const table = `t_${randomUUID().replaceAll('-', '')}`
  const name = `\`${database}\`.\`${table}\``
  await connection.query(`CREATE DATABASE IF NOT EXISTS \`${database}\``)
  await connection.query(
    `CREATE TABLE ${name} (id BIGINT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES("replication_num" = "1")`,
  )
  return {
    url: [at.url],
    ...(at.backends === undefined ? {} : { backends: at.backends }),
    allowPlaintext: true,
    username: at.account.user,
    password: at.account.password,
    database,
    table,
    ids: async () => {
      // Doris reads a table through a snapshot that may lag behind a commit for a moment; StarRocks does not know the command.
      if (server === 'doris') await connection.query('SYNC').catch(() => undefined)
      const [rows] = await connection.query({ sql: `SELECT id FROM ${name} ORDER BY id`, rowsAsArray: true })
      return (rows as [number][]).map(([id]) => id)
    },
    async [Symbol.asyncDispose]() {
      await connection.query(`DROP TABLE IF EXISTS ${name}`)
      await connection.end()
    },
  }
}

interface AddressParts {
  readonly url: string
  readonly host: string
  readonly queryPort: number
  readonly backends?: readonly string[]
  readonly account: { readonly user: string; readonly password: string }
}

function addressParts(address: string): AddressParts {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new MillraceError('the address of a real server has to look like http://user:password@frontend:8030', {
      code: 'CONFIG',
    })
  }
  const backends = url.searchParams.get('backends')
  return {
    url: url.origin,
    host: url.hostname,
    queryPort: Number(url.searchParams.get('queryPort') ?? 9030),
    ...(backends === null ? {} : { backends: backends.split(',') }),
    account: { user: decodeURIComponent(url.username) || 'root', password: decodeURIComponent(url.password) },
  }
}
