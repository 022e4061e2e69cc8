/** What the servers of the MySQL family have in common when tests start them. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import mysql from 'mysql2/promise'
import { makeTlsFiles } from './kafka-config.ts'
import { freePorts } from './free-ports.ts'
import { databaseService, ServerProcess, type DatabaseService, type DatabaseServiceOptions } from './server-process.ts'

/** The user of tests, who may do everything. For loopback only. */
export const TEST_USER = { user: 'mill', password: 'mill-secret' } as const

export interface MysqlServerKind {
  /** For messages. */
  readonly name: string
  /** The words that start the server, without arguments. */
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Lines below `[mysqld]` that this server needs. */
  readonly settings: readonly string[]
  /** Fills the empty data directory that `settingsFile` names. */
  initialize(settingsFile: string): void
}

/** Settings of every server: a row log with all that change readers need, durable commits, one second of patience less. */
const COMMON: readonly string[] = [
  'bind-address=127.0.0.1',
  'skip-name-resolve',
  'binlog_format=ROW',
  'binlog_row_image=FULL',
  'sync_binlog=1',
  'innodb_flush_log_at_trx_commit=1',
  'innodb_buffer_pool_size=256M',
  'max_allowed_packet=64M',
  'max_connections=500',
  'local_infile=ON',
]

export async function startMysqlServer(
  kind: MysqlServerKind,
  options: DatabaseServiceOptions = {},
): Promise<DatabaseService> {
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'millrace-mysql-'))
  mkdirSync(dataDir, { recursive: true })
  const [port = 0] = await freePorts(1)
  // A socket's path may have 107 characters at most, which a cache directory may exceed.
  const socketDirectory = mkdtempSync(path.join(tmpdir(), 'mr-'))
  const socket = path.join(socketDirectory, 'sock')
  const tls = options.tls === true ? makeTlsFiles(path.join(dataDir, 'tls')) : undefined
  const settingsFile = path.join(dataDir, 'my.cnf')
  const data = path.join(dataDir, 'data')
  const lines = [
    '[mysqld]',
    `port=${port}`,
    `datadir=${data}`,
    `socket=${socket}`,
    `pid-file=${path.join(dataDir, 'pid')}`,
    `tmpdir=${socketDirectory}`,
    // Running as root must be asked for by name.
    ...(process.getuid?.() === 0 ? ['user=root'] : []),
    ...COMMON,
    ...kind.settings,
    ...(tls === undefined ? [] : ['ca.pem', 'server.pem', 'server.key'].map((file, at) => tlsLine(dataDir, file, at))),
    ...(options.settings ?? []),
  ]
  writeFileSync(settingsFile, `${lines.join('\n')}\n`)
  const isNew = !existsSync(data)
  if (isNew) kind.initialize(settingsFile)

  const url = `mysql://${TEST_USER.user}:${TEST_USER.password}@127.0.0.1:${port}`
  let isUserMade = !isNew
  const server = new ServerProcess({
    name: kind.name,
    command: [...kind.command, `--defaults-file=${settingsFile}`],
    logFile: path.join(dataDir, 'server.log'),
    ...(kind.env === undefined ? {} : { env: kind.env }),
    isDetached: options.detached === true,
    endSignal: 'SIGTERM',
    isUp: async () => {
      if (!isUserMade) await makeTestUser(socket)
      isUserMade = true
      const connection = await mysql.createConnection(url)
      await connection.end()
    },
  })
  await server.start()
  const stop = async (): Promise<void> => {
    await server.stop()
    rmSync(socketDirectory, { recursive: true, force: true })
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
  }
  return databaseService(server, { url, dataDir, ca: tls?.ca, stop })
}

function tlsLine(dataDir: string, file: string, at: number): string {
  return `${['ssl_ca', 'ssl_cert', 'ssl_key'][at] ?? ''}=${path.join(dataDir, 'tls', file)}`
}

/** A fresh server knows root only, without a password, on its socket. */
async function makeTestUser(socketPath: string): Promise<void> {
  const root = await mysql.createConnection({ socketPath, user: 'root' })
  try {
    await root.query('SET sql_log_bin = 0')
    await root.query(`CREATE USER IF NOT EXISTS '${TEST_USER.user}'@'%' IDENTIFIED BY '${TEST_USER.password}'`)
    await root.query(`GRANT ALL PRIVILEGES ON *.* TO '${TEST_USER.user}'@'%' WITH GRANT OPTION`)
  } finally {
    await root.end()
  }
}
