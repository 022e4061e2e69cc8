/** A real S3 server for tests: `await using s3 = await startS3()`. It keeps objects as plain files below `dataDir`. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePorts } from './free-ports.ts'
import { cacheDirectory } from './java-jars.ts'

/** Versity S3 Gateway (Apache-2.0) honours conditional writes, also when they race, and starts in half a second. */
const VERSION = 'v1.8.0'
const MODULE = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`

/** For tests on loopback only. */
export const S3_KEYS = { accessKeyId: 'millrace', secretAccessKey: 'millrace-secret' } as const

export interface S3ServiceOptions {
  /** Kept after `stop()` when given; otherwise a temporary directory that goes with the service. */
  readonly dataDir?: string
  /** The server goes on when this process ends. */
  readonly detached?: boolean
}

export interface S3Service extends AsyncDisposable {
  /** `http://127.0.0.1:port`; `http://localhost:port` also takes buckets as host names, as in `http://bucket.localhost:port`. */
  readonly endpoint: string
  readonly pid: number
  readonly dataDir: string
  stop(): Promise<void>
}

export async function startS3(options: S3ServiceOptions = {}): Promise<S3Service> {
  const program = buildS3Server()
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'millrace-s3-'))
  mkdirSync(dataDir, { recursive: true })
  const [port = 0] = await freePorts(1)
  const logFile = path.join(tmpdir(), `millrace-s3-${port}.log`)
  const server = launch(program, { dataDir, port, logFile, isDetached: options.detached === true })
  const endpoint = `http://127.0.0.1:${port}`
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  if (!(await answers(endpoint, () => server.exitCode === null && server.signalCode === null))) {
    server.kill('SIGKILL')
    throw new Error(`the S3 server did not come up on ${endpoint}: ${readFileSync(logFile, 'utf8').slice(-2000)}`)
  }
  const stop = async (): Promise<void> => {
    if (server.exitCode === null && server.signalCode === null) server.kill('SIGKILL')
    await exited
    rmSync(logFile, { force: true })
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
  }
  return { endpoint, pid: server.pid ?? 0, dataDir, stop, [Symbol.asyncDispose]: stop }
}

/** Compiles the server with Go into the cache, once. The sources of its modules are 3 GB and go again. */
export function buildS3Server(): string {
  const directory = path.join(cacheDirectory(), 's3')
  const program = path.join(directory, `versitygw-${VERSION}`)
  if (existsSync(program)) return program
  mkdirSync(directory, { recursive: true })
  const scratch = mkdtempSync(path.join(tmpdir(), 'millrace-go-'))
  const env = {
    ...process.env,
    GOBIN: path.join(scratch, 'bin'),
    GOMODCACHE: path.join(scratch, 'modules'),
    GOCACHE: path.join(scratch, 'built'),
    GOFLAGS: '-modcacherw',
    CGO_ENABLED: '0',
  }
  try {
    const [compiler, ...args] = ['go', 'install', MODULE]
    const done = spawnSync(compiler ?? '', args, { env, encoding: 'utf8' })
    if (done.status !== 0) {
      const said = `${done.error?.message ?? ''}${done.stderr ?? ''}`.trim().slice(-2000)
      throw new Error(`go install ${MODULE} failed (Go 1.21 or newer is needed): ${said}`)
    }
    // A name of our own until it is complete: another process may be building the same one.
    const partial = `${program}.${process.pid}`
    copyProgram(path.join(scratch, 'bin', 'versitygw'), partial)
    renameSync(partial, program)
    return program
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function launch(
  program: string,
  { dataDir, port, logFile, isDetached }: { dataDir: string; port: number; logFile: string; isDetached: boolean },
): ChildProcess {
  const log = openSync(logFile, 'a')
  const own = [
    program,
    '--port',
    `127.0.0.1:${port}`,
    '--virtual-domain',
    'localhost',
    '--keep-alive',
    '--quiet',
    'posix',
    dataDir,
  ]
  // On Linux the kernel ends the server with us, also when we are killed.
  const guard = !isDetached && existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : []
  const [command = program, ...args] = [...guard, ...own]
  const server = spawn(command, args, {
    stdio: ['ignore', log, log],
    detached: isDetached,
    env: { ...process.env, ROOT_ACCESS_KEY: S3_KEYS.accessKeyId, ROOT_SECRET_KEY: S3_KEYS.secretAccessKey },
  })
  closeSync(log)
  if (isDetached) server.unref()
  else {
    const kill = (): void => void server.kill('SIGKILL')
    process.once('exit', kill)
    server.once('exit', () => process.removeListener('exit', kill))
  }
  return server
}

function copyProgram(from: string, to: string): void {
  cpSync(from, to)
  chmodSync(to, 0o755)
}

/** Any answer will do: without a signature it is a refusal. */
async function answers(endpoint: string, alive: () => boolean, timeoutMs = 180_000): Promise<boolean> {
  const end = Date.now() + timeoutMs
  while (alive() && Date.now() < end) {
    const isUp = await fetch(endpoint).then(
      async (reply) => (await reply.body?.cancel(), true),
      () => false,
    )
    if (isUp) return true
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  return false
}
