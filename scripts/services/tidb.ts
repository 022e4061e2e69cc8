/** A real single-node TiDB for tests, with its embedded storage: `await using tidb = await startTidb()`. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import path from 'node:path'
import mysql from 'mysql2/promise'
import { cacheDirectory } from './java-jars.ts'
import { TEST_USER } from './mysql-server.ts'
import { freePorts } from './free-ports.ts'
import { databaseService, ServerProcess, type DatabaseService, type DatabaseServiceOptions } from './server-process.ts'

/** A commit of the 8.5 line. The module proxy knows TiDB under exact pseudo-versions only. */
const COMMIT = '20251126154744-e4e814fdc0af'
const MODULE = `github.com/pingcap/tidb@v1.1.0-beta.0.${COMMIT}`
const PARSER = 'github.com/pingcap/tidb/pkg/parser'

const programFile = (): string => path.join(cacheDirectory(), 'tidb', `tidb-server-${COMMIT}`)

/** Compiling it takes eight minutes on two cores, so that tests with TiDB run only where that was done. */
export function isTidbBuilt(): boolean {
  return existsSync(programFile())
}

/** Compiles the server into the cache, once, at low priority. */
export function buildTidb(): string {
  const program = programFile()
  if (existsSync(program)) return program
  mkdirSync(path.dirname(program), { recursive: true })
  const scratch = mkdtempSync(path.join(tmpdir(), 'millrace-tidb-'))
  const env = {
    ...process.env,
    GOMODCACHE: path.join(scratch, 'modules'),
    GOCACHE: path.join(scratch, 'built'),
    GOFLAGS: '-buildvcs=false -mod=mod -modcacherw',
  }
  const go = (cwd: string, ...args: readonly string[]): string => {
    const done = spawnSync('nice', ['-n', '19', 'go', ...args], { cwd, env, encoding: 'utf8', maxBuffer: 64 << 20 })
    if (done.status === 0) return done.stdout
    throw new Error(
      `go ${args[0] ?? ''} for TiDB failed: ${`${done.error?.message ?? ''}${done.stderr ?? ''}`.slice(-2000)}`,
    )
  }
  try {
    const { Dir } = JSON.parse(go(scratch, 'mod', 'download', '-json', MODULE)) as { Dir: string }
    const source = path.join(scratch, 'source')
    cpSync(Dir, source, { recursive: true })
    // The parser is a module of its own, absent from the module's archive: it comes from the proxy too.
    const parser = `${PARSER}@v0.0.0-${COMMIT}`
    go(source, 'mod', 'edit', `-dropreplace=${PARSER}`, `-require=${parser}`)
    const version = `${PARSER}/mysql.TiDBReleaseVersion=v8.5.x-local`
    const flags = `-s -w -checklinkname=0 -X ${version}`
    go(source, 'build', '-p', '2', '-ldflags', flags, '-o', `${program}.${process.pid}`, './cmd/tidb-server')
    renameSync(`${program}.${process.pid}`, program)
    return program
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

export async function startTidb(options: DatabaseServiceOptions = {}): Promise<DatabaseService> {
  const program = buildTidb()
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'millrace-tidb-data-'))
  mkdirSync(dataDir, { recursive: true })
  const [port = 0, statusPort = 0] = await freePorts(2)
  const settings = path.join(dataDir, 'tidb.toml')
  const lines = [
    'host = "127.0.0.1"',
    `port = ${port}`,
    'store = "unistore"',
    `path = "${path.join(dataDir, 'data')}"`,
    `temp-dir = "${path.join(dataDir, 'tmp')}"`,
    'socket = ""',
    ...(options.settings ?? []),
    '[status]',
    'status-host = "127.0.0.1"',
    `status-port = ${statusPort}`,
    '[log]',
    'level = "warn"',
    // Otherwise it is written into the directory that the test was started in.
    `slow-query-file = "${path.join(dataDir, 'slow.log')}"`,
  ]
  writeFileSync(settings, `${lines.join('\n')}\n`)
  const server = new ServerProcess({
    name: 'TiDB',
    command: [program, '-config', settings],
    logFile: path.join(dataDir, 'server.log'),
    isDetached: options.detached === true,
    // It writes records of scarce memory beside itself.
    directory: dataDir,
    endSignal: 'SIGTERM',
    isUp: () => makeTestUser(port),
  })
  await server.start()
  const stop = async (): Promise<void> => {
    await server.stop()
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
  }
  return databaseService(server, {
    url: `mysql://${TEST_USER.user}:${TEST_USER.password}@127.0.0.1:${port}`,
    dataDir,
    ca: undefined,
    stop,
  })
}

/** Also what reads of old snapshots need, which a cluster's garbage collector writes otherwise. */
async function makeTestUser(port: number): Promise<void> {
  const root = await mysql.createConnection({ host: '127.0.0.1', port, user: 'root' })
  try {
    await root.query(`CREATE USER IF NOT EXISTS '${TEST_USER.user}'@'%' IDENTIFIED BY '${TEST_USER.password}'`)
    await root.query(`GRANT ALL PRIVILEGES ON *.* TO '${TEST_USER.user}'@'%' WITH GRANT OPTION`)
    await root.query(
      "REPLACE INTO mysql.tidb VALUES ('tikv_gc_safe_point', '20200102-15:04:05 +0000', 'test'), " +
        "('tikv_gc_life_time', '10m0s', 'test')",
    )
  } finally {
    await root.end()
  }
}
