import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { assertNoCanary } from './canary.ts'
import { CommandLine, type Ended, type Event } from '../command-line.ts'

/** A directory with a pipeline `job.yaml` and everything that belongs to it. */
export class JobHome implements AsyncDisposable {
  readonly directory: string
  readonly #remove: () => Promise<void>
  readonly #runs: CommandLine[] = []

  private constructor(directory: string, remove: () => Promise<void>) {
    this.directory = directory
    this.#remove = remove
  }

  static async create(): Promise<JobHome> {
    const made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-faults-'))
    mkdirSync(path.join(made.path, 'in'))
    return new JobHome(made.path, () => made.remove())
  }

  write({ sources, transforms, sinks, parallelism = 1, interval = '300ms', accept, memoryLimit }: PipelineText): void {
    const lines = [
      'name: job',
      `parallelism: ${parallelism}`,
      ...(accept === undefined ? [] : [`accept: [${accept}]`]),
      ...(memoryLimit === undefined ? [] : [`memoryLimit: ${memoryLimit}`]),
      `sources: {${sources}}`,
      ...(transforms === undefined ? [] : [`transforms: {${transforms}}`]),
      `sinks: {${sinks}}`,
      `checkpoint: {interval: ${interval}, timeout: 20s, maxDowntime: 10m, storage: ./state}`,
    ]
    this.put('job.yaml', `${lines.join('\n')}\n`)
  }

  put(name: string, text: string): void {
    writeFileSync(path.join(this.directory, name), text)
  }

  run(environment: Readonly<Record<string, string>> = {}, ...options: string[]): CommandLine {
    const all = { MILLRACE_LOG_LEVEL: 'debug', ...environment }
    const run = new CommandLine({ directory: this.directory, environment: all }, 'run', 'job.yaml', ...options)
    this.#runs.push(run)
    return run
  }

  /** Why the last process halted; `undefined` when it left no report. */
  report(): Report | undefined {
    const file = path.join(this.directory, 'state', 'job', 'report.json')
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : undefined
  }

  /** Every file that runs left behind. */
  leftBehind(): [file: string, content: string][] {
    const root = path.join(this.directory, 'state')
    if (!existsSync(root)) return []
    return readdirSync(root, { recursive: true, encoding: 'utf8' })
      .map((name) => path.join(root, name))
      .filter((file) => statSync(file).isFile())
      .map((file) => [file, readFileSync(file, 'latin1')])
  }

  /** Whatever a test does to its job: no password in what it printed, at the most talkative level, or left behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const { out, err } of this.#runs) assertNoCanary(out + err, 'what was printed')
      for (const [file, content] of this.leftBehind()) assertNoCanary(content, file)
    } finally {
      await this.#remove()
    }
  }
}

export interface PipelineText {
  readonly sources: string
  readonly transforms?: string
  readonly sinks: string
  readonly parallelism?: number
  readonly interval?: string
  readonly accept?: string
  readonly memoryLimit?: string
}

export interface Report {
  readonly code: string
  readonly exitCode: number
  readonly message: string
  readonly detail: Readonly<Record<string, unknown>>
}

export interface Halted extends Ended {
  readonly event: Event & { readonly detail: Readonly<Record<string, unknown>> }
  readonly err: string
}

/** The end of a run that has to halt. */
export async function halted(command: CommandLine): Promise<Halted> {
  const ended = await command.ended()
  const event = command.events().find((one) => one.event === 'halted')
  if (event === undefined) throw new Error(`it did not halt (${ended.code}):\n${command.out}${command.err}`)
  return { ...ended, event: event as Halted['event'], err: command.err }
}

export const isConfirmed = (event: Event): boolean => event.event === 'confirmed'
export const isRewinding = (event: Event): boolean => event.event === 'rewinding'
