/** Servers, data and directories of one bench. Everything is made when a case first asks for it and goes with the bench. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Codec } from '../../src/clients/kafka/index.ts'
import { EmulatorControl } from '../../src/testkit/emulators/control-client.ts'
import { killWithUs } from './kill-with-us.ts'
import { startKafka, type KafkaService } from '../services/kafka.ts'

export type Store = 'starrocks' | 'doris'

export interface StoreProcess {
  readonly kind: Store
  readonly urls: readonly string[]
  readonly backends: readonly string[]
  readonly control: EmulatorControl
}

const PARTITIONS = 8

export class TestBed implements AsyncDisposable {
  /** Rows of the topics and of the file. */
  readonly rows: number
  readonly directory: string = mkdtempSync(path.join(tmpdir(), 'millrace-bench-'))
  readonly #made = new Map<string, Promise<unknown>>()
  readonly #processes = new Set<ChildProcess>()
  #broker: KafkaService | undefined
  #names = 0

  constructor(rows: number) {
    this.rows = rows
    process.once('exit', () => this.#removeFiles())
  }

  /** A name that was not used before: for topics, tables and pipelines. */
  freshName(prefix: string): string {
    this.#names += 1
    return `${prefix}_${this.#names}`
  }

  freshDirectory(): string {
    const directory = path.join(this.directory, this.freshName('run'))
    mkdirSync(directory)
    return directory
  }

  async bootstrap(): Promise<string> {
    this.#broker ??= await startKafka({ heap: '1g', fast: true })
    return this.#broker.bootstrap
  }

  /** A topic with this many rows. */
  topic(rows: number = this.rows, codec: Codec = 'none'): Promise<string> {
    return this.#once(`topic ${rows} ${codec}`, async () => {
      const name = this.freshName(`bench_${codec}`)
      runToEnd('kafka-load.ts', await this.bootstrap(), name, String(rows), codec, String(PARTITIONS))
      return name
    })
  }

  /** A topic to write to. */
  async emptyTopic(): Promise<string> {
    const name = this.freshName('bench_to')
    runToEnd('kafka-load.ts', await this.bootstrap(), name, '0', 'none', String(PARTITIONS))
    return name
  }

  /** A topic that grows until the producer is disposed. */
  async growingTopic(rowsPerSecond: number): Promise<{ readonly topic: string } & AsyncDisposable> {
    const topic = this.freshName('bench_growing')
    const args = [programPath('kafka-follow.ts'), await this.bootstrap(), topic, String(rowsPerSecond), `${PARTITIONS}`]
    const producer = await this.#start(args)
    return { topic, [Symbol.asyncDispose]: () => this.#end(producer.process) }
  }

  /** An NDJSON file with this many rows. */
  file(rows: number = this.rows): Promise<string> {
    return this.#once(`file ${rows}`, async () => {
      const file = path.join(this.directory, `${this.freshName('rows')}.ndjson`)
      runToEnd('file-load.ts', file, String(rows))
      return file
    })
  }

  /** An Iceberg table with this many rows: a dozen files, zstd. */
  icebergTable(rows: number = this.rows): Promise<string> {
    return this.#once(`iceberg ${rows}`, async () => {
      const directory = path.join(this.directory, this.freshName('table'))
      runToEnd('iceberg-load.ts', directory, rows === 0 ? '' : await this.file(rows), String(rows))
      return directory
    })
  }

  /** An emulator that counts rows and throws them away, in a process of its own. */
  store(kind: Store): Promise<StoreProcess> {
    return this.#once(`store ${kind}`, async () => {
      const program = fileURLToPath(new URL('../../src/testkit/emulators/main.ts', import.meta.url))
      const { line } = await this.#start([program, JSON.stringify({ kind, createTables: true, mode: 'count' })])
      const told = JSON.parse(line) as { urls: string[]; backends: string[]; controlUrl: string }
      const { urls, backends, controlUrl } = told
      return { kind, urls, backends, control: new EmulatorControl(controlUrl) }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#processes].map((one) => this.#end(one)))
    await this.#broker?.stop()
    this.#removeFiles()
  }

  #removeFiles(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #once<T>(key: string, make: () => Promise<T>): Promise<T> {
    const made = (this.#made.get(key) as Promise<T> | undefined) ?? make()
    this.#made.set(key, made)
    return made
  }

  /** Starts a server of ours and waits for its first line. */
  async #start(args: readonly string[]): Promise<{ process: ChildProcess; line: string }> {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#processes.add(child)
    killWithUs(child, () => child.kill('SIGKILL'))
    const first = Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
    const [line] = (await first) as [unknown]
    if (child.exitCode !== null) throw new Error(`${args[0]} ended with ${child.exitCode}`)
    child.stdout.resume()
    return { process: child, line: String(line) }
  }

  async #end(child: ChildProcess): Promise<void> {
    this.#processes.delete(child)
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}

export function programPath(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

function runToEnd(program: string, ...args: readonly string[]): void {
  const done = spawnSync(process.execPath, [programPath(program), ...args], { stdio: 'inherit' })
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${done.status}`)
}
