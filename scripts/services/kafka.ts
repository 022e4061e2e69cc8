/** A real single-node Apache Kafka broker (KRaft) for tests and benches: `await using kafka = await startKafka()`. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { KafkaAdmin, KafkaClient } from '../../src/clients/kafka/index.ts'
import { resolveJars } from './java-jars.ts'
import {
  formatStorage,
  KAFKA_USERS,
  makeTlsFiles,
  serverProperties,
  type KafkaPorts,
  type TlsFiles,
} from './kafka-config.ts'
import { freePorts } from './free-ports.ts'

export interface KafkaServiceOptions {
  /** Kept after `stop()` when given; otherwise a temporary directory that goes with the service. */
  readonly dataDir?: string
  /** JVM heap, such as `512m` (default) or `1g`. */
  readonly heap?: string
  /** Adds a SASL_PLAINTEXT listener with PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER (tokens without a signature). */
  readonly sasl?: boolean
  /** Adds an SSL listener with a certificate for 127.0.0.1 and localhost from an authority of its own, and one that asks for the client's. */
  readonly tls?: boolean
  /** Full JIT and a parallel collector for benches. Tests take the quick compiler: the broker is up sooner. */
  readonly fast?: boolean
  /** The broker goes on when this process ends (for the shared service of the test runner). */
  readonly detached?: boolean
}

export interface KafkaService extends AsyncDisposable {
  readonly bootstrap: string
  readonly pid: number
  readonly dataDir: string
  readonly sasl?: { readonly bootstrap: string; readonly users: Readonly<Record<string, string>> }
  readonly tls?: Pick<TlsFiles, 'ca' | 'client' | 'stranger'> & {
    readonly bootstrap: string
    /** Where a client needs a certificate. */
    readonly mutual: string
  }
  createTopic(name: string, partitions: number, configs?: Readonly<Record<string, string>>): Promise<void>
  deleteTopic(name: string): Promise<void>
  /** Ends with SIGTERM and waits; removes the data directory unless it was given. */
  stop(): Promise<void>
  /** Ends with SIGKILL and keeps the data, for `restart()`. */
  kill(): Promise<void>
  /** Starts again on the same ports and data; stops first when it runs. */
  restart(): Promise<void>
}

const pom = path.join(path.dirname(fileURLToPath(import.meta.url)), 'kafka-pom.xml')

export async function startKafka(options: KafkaServiceOptions = {}): Promise<KafkaService> {
  const jars = resolveJars(pom, 'kafka')
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'millrace-kafka-'))
  mkdirSync(dataDir, { recursive: true })
  if (!existsSync(path.join(dataDir, 'logs', 'meta.properties'))) formatStorage(jars, dataDir)
  const ports = await choosePorts(options)
  const tlsFiles = options.tls === true ? makeTlsFiles(path.join(dataDir, 'tls')) : undefined
  const properties = path.join(dataDir, 'server.properties')
  writeFileSync(properties, serverProperties(ports, dataDir, tlsFiles))

  let broker = await launch(jars, properties, dataDir, ports, options)
  const bootstrap = `127.0.0.1:${ports.plaintext}`
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (broker.exitCode !== null || broker.signalCode !== null) return
    const exited = new Promise((resolve) => broker.once('exit', resolve))
    broker.kill(signal)
    const impatience = setTimeout(() => broker.kill('SIGKILL'), 15_000)
    await exited
    clearTimeout(impatience)
  }
  const stop = async (): Promise<void> => {
    await end('SIGTERM')
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
  }
  return {
    bootstrap,
    dataDir,
    get pid(): number {
      return broker.pid ?? 0
    },
    ...(ports.sasl === undefined ? {} : { sasl: { bootstrap: `127.0.0.1:${ports.sasl}`, users: KAFKA_USERS } }),
    ...(tlsFiles === undefined
      ? {}
      : { tls: { ...tlsFiles, bootstrap: `127.0.0.1:${ports.tls}`, mutual: `127.0.0.1:${ports.mutualTls}` } }),
    async createTopic(name, partitions, configs = {}) {
      await using client = new KafkaClient({ brokers: [bootstrap] })
      await new KafkaAdmin(client).createTopic(name, partitions, configs)
    },
    async deleteTopic(name) {
      await using client = new KafkaClient({ brokers: [bootstrap] })
      await new KafkaAdmin(client).deleteTopic(name)
    },
    stop,
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM')
      broker = await launch(jars, properties, dataDir, ports, options)
    },
    [Symbol.asyncDispose]: stop,
  }
}

async function launch(
  jars: string,
  properties: string,
  dataDir: string,
  ports: KafkaPorts,
  options: KafkaServiceOptions,
): Promise<ChildProcess> {
  const quick = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xverify:none']
  const flags = [
    `-Xmx${options.heap ?? '512m'}`,
    '-Xms128m',
    ...(options.fast === true ? ['-XX:+UseParallelGC'] : quick),
    '-Djava.awt.headless=true',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  ]
  const logFile = path.join(dataDir, 'broker.log')
  const log = openSync(logFile, 'a')
  const java = ['java', ...flags, '-cp', `${jars}/*`, 'kafka.Kafka', properties]
  const [program = 'java', ...args] = options.detached === true ? java : [...dyingWithUs(), ...java]
  const broker = spawn(program, args, {
    stdio: ['ignore', log, log],
    detached: options.detached === true,
  })
  closeSync(log)
  if (options.detached === true) broker.unref()
  else killWithUs(broker)
  const wanted = [ports.plaintext, ports.sasl, ports.tls, ports.mutualTls].filter((port) => port !== undefined)
  for (const port of wanted) {
    if (!(await answers(port, () => broker.exitCode === null && broker.signalCode === null))) {
      broker.kill('SIGKILL')
      throw new Error(`Kafka did not come up on port ${port}: ${readFileSync(logFile, 'utf8').slice(-2000)}`)
    }
  }
  return broker
}

/** On Linux the kernel ends the broker with us, also when we are killed; elsewhere `killWithUs` covers an ordinary exit. */
function dyingWithUs(): string[] {
  return existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : []
}

/** A test that dies must not leave its broker behind. */
function killWithUs(broker: ChildProcess): void {
  const kill = (): void => void broker.kill('SIGKILL')
  process.once('exit', kill)
  broker.once('exit', () => process.removeListener('exit', kill))
}

async function choosePorts(options: KafkaServiceOptions): Promise<KafkaPorts> {
  const [plaintext, controller, sasl, tls, mutualTls] = await freePorts(5)
  if (plaintext === undefined || controller === undefined) throw new Error('no free ports on 127.0.0.1')
  return {
    plaintext,
    controller,
    sasl: options.sasl === true ? sasl : undefined,
    tls: options.tls === true ? tls : undefined,
    mutualTls: options.tls === true ? mutualTls : undefined,
  }
}

/** Waits until something accepts connections on a port of loopback; false when `alive` says that nothing ever will. */
async function answers(port: number, alive: () => boolean, timeoutMs = 180_000): Promise<boolean> {
  const end = Date.now() + timeoutMs
  while (alive() && Date.now() < end) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => (socket.destroy(), resolve(true)))
      socket.once('error', () => resolve(false))
    })
    if (open) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

export interface UsedKafka extends AsyncDisposable {
  readonly bootstrap: string
}

/** The broker that tests share, or one of our own where there is none. */
export async function useKafka(): Promise<UsedKafka> {
  const shared = process.env['MILLRACE_KAFKA']
  if (shared !== undefined) return { bootstrap: shared, [Symbol.asyncDispose]: () => Promise.resolve() }
  const own = await startKafka()
  return { bootstrap: own.bootstrap, [Symbol.asyncDispose]: () => own.stop() }
}
