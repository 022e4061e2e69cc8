/** The Apache fixture server of Iceberg's REST catalog, for tests: `await using catalog = await startIcebergRest()`. */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from './free-ports.ts'
import { resolveJars } from './java-jars.ts'

export interface IcebergRestService extends AsyncDisposable {
  /** `http://127.0.0.1:port` */
  readonly uri: string
  /** Makes a namespace; one that is there is fine. */
  createNamespace(name: string): Promise<void>
  /** Shows a table whose metadata file was written by somebody else; one of this name is replaced. */
  register(namespace: string, name: string, metadataFile: string): Promise<void>
}

const pom = path.join(path.dirname(fileURLToPath(import.meta.url)), 'iceberg-pom.xml')

/** Downloads what the server needs, once. */
export function icebergJars(): string {
  return resolveJars(pom, 'iceberg')
}

export async function startIcebergRest(): Promise<IcebergRestService> {
  const jars = icebergJars()
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-iceberg-rest-'))
  const [port = 0] = await freePorts(1)
  const uri = `http://127.0.0.1:${port}`
  const logFile = path.join(directory, 'server.log')
  const server = launch(jars, directory, port, logFile)
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  const isRunning = (): boolean => server.exitCode === null && server.signalCode === null
  if (!(await answers(`${uri}/v1/config`, isRunning))) {
    server.kill('SIGKILL')
    throw new Error(`the Iceberg catalog did not come up on ${uri}: ${readFileSync(logFile, 'utf8').slice(-2000)}`)
  }
  return {
    uri,
    createNamespace: async (name) => {
      await call(uri, 'POST', 'v1/namespaces', { namespace: [name], properties: {} }, [409])
    },
    register: async (namespace, name, metadataFile) => {
      await call(uri, 'DELETE', `v1/namespaces/${namespace}/tables/${name}`, undefined, [404])
      await call(uri, 'POST', `v1/namespaces/${namespace}/register`, { name, 'metadata-location': metadataFile }, [])
    },
    [Symbol.asyncDispose]: async () => {
      if (isRunning()) server.kill('SIGKILL')
      await exited
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function launch(jars: string, directory: string, port: number, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a')
  const flags = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Djava.awt.headless=true']
  const java = ['java', ...flags, '-cp', `${jars}/*`, 'org.apache.iceberg.rest.RESTCatalogServer']
  const [program = 'java', ...args] = [...dyingWithUs(), ...java]
  const server = spawn(program, args, {
    stdio: ['ignore', log, log],
    env: {
      ...process.env,
      CATALOG_REST_PORT: String(port),
      CATALOG_CATALOG__IMPL: 'org.apache.iceberg.jdbc.JdbcCatalog',
      CATALOG_URI: `jdbc:sqlite:${directory}/catalog.db`,
      CATALOG_WAREHOUSE: `file://${directory}/warehouse`,
      CATALOG_IO__IMPL: 'org.apache.iceberg.hadoop.HadoopFileIO',
    },
  })
  closeSync(log)
  const kill = (): void => void server.kill('SIGKILL')
  process.once('exit', kill)
  server.once('exit', () => process.removeListener('exit', kill))
  return server
}

/** On Linux the kernel ends the server with us, also when we are killed. */
function dyingWithUs(): string[] {
  return existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : []
}

async function call(uri: string, method: string, where: string, body: unknown, also: readonly number[]): Promise<void> {
  const reply = await fetch(`${uri}/${where}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await reply.text()
  if (!reply.ok && !also.includes(reply.status))
    throw new Error(`${method} ${where}: ${reply.status} ${text.slice(0, 500)}`)
}

async function answers(url: string, isAlive: () => boolean): Promise<boolean> {
  const end = Date.now() + 180_000
  while (isAlive() && Date.now() < end) {
    try {
      const reply = await fetch(url)
      await reply.text()
      if (reply.ok) return true
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}
