/** A real PostgreSQL server for tests and benches: `await using postgres = await startPostgres()`. */
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { programOfSystem, unpackPackages } from './debian-packages.ts'
import { run } from './java-jars.ts'
import { makeTlsFiles } from './kafka-config.ts'
import { TEST_USER } from './mysql-server.ts'
import { freePorts } from './free-ports.ts'
import { databaseService, ServerProcess, type DatabaseService, type DatabaseServiceOptions } from './server-process.ts'

/** `nobody`: the server refuses to run as root. */
const UNPRIVILEGED = 65_534

const SETTINGS: readonly string[] = [
  "listen_addresses = '127.0.0.1'",
  'wal_level = logical',
  'max_replication_slots = 16',
  'max_wal_senders = 16',
  'max_prepared_transactions = 32',
  'max_connections = 300',
  'shared_buffers = 256MB',
  'max_wal_size = 4GB',
  "timezone = 'UTC'",
]

export async function startPostgres(options: DatabaseServiceOptions = {}): Promise<DatabaseService> {
  const programs = preparePostgres()
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'millrace-postgres-'))
  mkdirSync(dataDir, { recursive: true })
  const [port = 0] = await freePorts(1)
  const uid = process.getuid?.() === 0 ? UNPRIVILEGED : undefined
  const data = path.join(dataDir, 'data')
  const logFile = path.join(dataDir, 'server.log')
  const tls = options.tls === true ? makeTlsFiles(path.join(dataDir, 'tls')) : undefined
  if (!existsSync(data)) initialize(programs, dataDir, uid)
  const lines = [
    ...SETTINGS,
    `port = ${port}`,
    "unix_socket_directories = ''",
    ...(tls === undefined ? [] : tlsLines(path.join(dataDir, 'tls'))),
    ...(options.settings ?? []),
  ]
  writeFileSync(path.join(data, 'millrace.conf'), `${lines.join('\n')}\n`)
  if (uid !== undefined) run('chown', ['-R', `${uid}:${uid}`, dataDir])

  const url = `postgres://${TEST_USER.user}:${TEST_USER.password}@127.0.0.1:${port}`
  const server = new ServerProcess({
    name: 'PostgreSQL',
    command: [...programs.command('postgres'), '-D', data, '-c', `config_file=${path.join(data, 'postgresql.conf')}`],
    logFile,
    uid,
    isDetached: options.detached === true,
    // Fast shutdown: open sessions are ended, not waited for.
    endSignal: 'SIGINT',
    passing: /pre-existing shared memory block/,
    isUp: async () => {
      const client = new pg.Client({ connectionString: `${url}/postgres` })
      await client.connect()
      await client.end()
    },
  })
  await server.start()
  const stop = async (): Promise<void> => {
    await server.stop()
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
  }
  return databaseService(server, { url, dataDir, ca: tls?.ca, stop })
}

interface PostgresPrograms {
  /** The words that start `initdb` or `postgres`. */
  command(name: string): string[]
}

/** The system's own server, whatever its release; otherwise PostgreSQL 15 of Debian 12, unpacked into the cache. */
function preparePostgres(): PostgresPrograms {
  const installed = globSync('/usr/lib/postgresql/*/bin/initdb').sort().at(-1) ?? programOfSystem('initdb')
  if (installed !== undefined && existsSync(path.join(path.dirname(installed), 'postgres'))) {
    return { command: (name) => [path.join(path.dirname(installed), name)] }
  }
  const { root } = unpackPackages('postgres', 'bookworm', ['postgresql-15'])
  const bin = path.join(root, 'usr/lib/postgresql/15/bin')
  // initdb starts `postgres` itself, so that the system has to have libraries as new as Debian 12's.
  const libraries = globSync(path.join(root, '{usr/,}lib/*-linux-gnu')).join(':')
  return { command: (name) => ['env', `LD_LIBRARY_PATH=${libraries}`, path.join(bin, name)] }
}

function initialize(programs: PostgresPrograms, dataDir: string, uid: number | undefined): void {
  const passwordFile = path.join(dataDir, 'password')
  writeFileSync(passwordFile, TEST_USER.password)
  const partial = path.join(dataDir, 'data.partial')
  rmSync(partial, { recursive: true, force: true })
  const own = uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  if (uid !== undefined) run('chown', ['-R', `${uid}:${uid}`, dataDir])
  const initdb = [...own, ...programs.command('initdb'), '-D', partial, '-U', TEST_USER.user, '--pwfile', passwordFile]
  const [program, ...args] = [...initdb, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']
  run(program, args)
  writeFileSync(path.join(partial, 'postgresql.conf'), "include 'millrace.conf'\n", { flag: 'a' })
  renameSync(partial, path.join(dataDir, 'data'))
}

function tlsLines(directory: string): string[] {
  // The server wants its key to be read by nobody else.
  run('chmod', ['600', path.join(directory, 'server.key')])
  return [
    'ssl = on',
    `ssl_cert_file = '${path.join(directory, 'server.pem')}'`,
    `ssl_key_file = '${path.join(directory, 'server.key')}'`,
  ]
}
