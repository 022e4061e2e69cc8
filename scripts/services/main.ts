/**
 * `node scripts/services/main.ts <service> start|stop`: a service that several test processes share. Its address goes into
 * `<cache>/services.json`; tests take it from MILLRACE_KAFKA, MILLRACE_S3, MILLRACE_MARIADB and so on.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DATABASE_NAMES, startDatabase, type DatabaseName } from './databases.ts'
import { cacheDirectory } from './java-jars.ts'
import { startS3 } from './s3.ts'

interface SharedService {
  readonly pid: number
  readonly address: string
  readonly dataDir: string
}

const register = path.join(cacheDirectory(), 'services.json')
const lock = `${register}.lock`

function readRegister(): Record<string, SharedService> {
  return existsSync(register) ? (JSON.parse(readFileSync(register, 'utf8')) as Record<string, SharedService>) : {}
}

/**
 * Whether the registered process is still the server that was started. A process id alone does not tell: it may have
 * been given to somebody else's process, which must not be signalled. The data directory stands in the command line.
 */
function isRunning({ pid, dataDir }: SharedService): boolean {
  const found = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  return found.status === 0 && found.stdout.includes(dataDir)
}

/** Two that start a service at the same time would give both servers one data directory. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      if (!isHeld()) rmSync(lock, { force: true })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  try {
    return await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

/** False when who made the lock has ended without taking it away. */
function isHeld(): boolean {
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0)
    return true
  } catch {
    return !existsSync(lock)
  }
}

async function start(name: string): Promise<string> {
  const services = readRegister()
  const running = services[name]
  if (running !== undefined && isRunning(running)) return running.address
  const dataDir = chooseDataDirectory(name)
  rmSync(dataDir, { recursive: true, force: true })
  const { pid, address } = await startService(name, dataDir)
  const entry: SharedService = { pid, address, dataDir }
  writeFileSync(register, `${JSON.stringify({ ...readRegister(), [name]: entry }, undefined, 2)}\n`)
  return entry.address
}

/** PostgreSQL does not run as root, and who it runs as may not be let into the cache. */
function chooseDataDirectory(name: string): string {
  if (name === 'postgres') return mkdtempSync(path.join(tmpdir(), 'millrace-postgres-'))
  return path.join(cacheDirectory(), `${name}-data`)
}

const isDatabase = (name: string): name is DatabaseName => DATABASE_NAMES.includes(name as DatabaseName)

async function startService(
  name: string,
  dataDir: string,
): Promise<{ readonly pid: number; readonly address: string }> {
  if (name === 's3') {
    const { pid, endpoint } = await startS3({ dataDir, detached: true })
    return { pid, address: endpoint }
  }
  if (isDatabase(name)) {
    const { pid, url } = await startDatabase(name, { dataDir, detached: true })
    return { pid, address: url }
  }
  const { startKafka } = await import('./kafka.ts')
  const { pid, bootstrap } = await startKafka({ dataDir, detached: true, sasl: true, tls: true })
  return { pid, address: bootstrap }
}

async function stop(name: string): Promise<void> {
  const services = readRegister()
  const running = services[name]
  if (running === undefined) return
  if (isRunning(running)) process.kill(running.pid, name === 'postgres' ? 'SIGINT' : 'SIGTERM')
  while (isRunning(running)) await new Promise((resolve) => setTimeout(resolve, 50))
  rmSync(running.dataDir, { recursive: true, force: true })
  delete services[name]
  writeFileSync(register, `${JSON.stringify(services, undefined, 2)}\n`)
}

const NAMES: readonly string[] = ['kafka', 's3', ...DATABASE_NAMES]
const [name = '', verb] = process.argv.slice(2)
if (!NAMES.includes(name) || (verb !== 'start' && verb !== 'stop')) {
  process.stderr.write(`usage: node scripts/services/main.ts ${NAMES.join('|')} start|stop\n`)
  process.exitCode = 2
} else if (verb === 'start') {
  process.stdout.write(`${await alone(() => start(name))}\n`)
} else {
  await alone(() => stop(name))
}
