import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { repository } from '../tidy/source-tree.ts'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What `run` prints for machines. */
export type Event = Readonly<Record<string, unknown>> & { readonly event?: string }

/** Where a program runs. */
export interface Place {
  readonly directory: string
  /** Beside our own environment. */
  readonly environment?: Readonly<Record<string, string>>
}

/** How long a condition may take before the test is given up. Never reached when all is well. */
const PATIENCE_MS = 180_000
const WAKING_MS = 50

/**
 * A started `millrace`: the real program in a process of its own, from the sources or, in a whole run, as the package has
 * it. Killed when the test leaves it.
 */
export class CommandLine implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #ended: Promise<Ended>
  #changed = Promise.withResolvers<void>()
  out = ''
  err = ''

  constructor(place: string | Place, ...args: string[]) {
    const { directory, environment = {} }: Place = typeof place === 'string' ? { directory: place } : place
    const program = process.env['MILLRACE_PROGRAM'] ?? path.join(repository, 'bin', 'millrace')
    this.#process = spawn(process.execPath, [program, ...args], {
      cwd: directory,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const tell = (): void => {
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    }
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
      tell()
    })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text
      tell()
    })
    this.#ended = once(this.#process, 'close').then(([code, signal]) => {
      tell()
      return { code: code as number | null, signal: signal as NodeJS.Signals | null }
    })
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Lets a stopped process go on to its end. Every thread that comes by the failpoint stops the process once more. */
  async wakeUp(): Promise<Ended> {
    const waking = setInterval(() => this.signal('SIGCONT'), WAKING_MS)
    try {
      return await this.ended()
    } finally {
      clearInterval(waking)
    }
  }

  /** How it ended, once all of its output has been read. */
  async ended(): Promise<Ended> {
    return within(this.#ended, () => `it runs on:\n${this.out}${this.err}`)
  }

  /** Events so far. */
  events(): Event[] {
    return this.out
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Event)
  }

  /** The first event that fits. */
  async event(fits: (event: Event) => boolean): Promise<Event> {
    const found = await this.eventOrEnd(fits)
    if (found === undefined) throw new Error(`it ended without the event:\n${this.out}${this.err}`)
    return found
  }

  /** The first event that fits; nothing when the program ends without it. */
  async eventOrEnd(fits: (event: Event) => boolean): Promise<Event | undefined> {
    const look = async (): Promise<Event | undefined> => {
      for (;;) {
        const hasEnded = this.hasEnded
        const found = this.events().find(fits)
        if (found !== undefined || hasEnded) return found
        await this.#changed.promise
      }
    }
    return within(look(), () => `the event does not come:\n${this.out}${this.err}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) this.#process.kill('SIGKILL')
    await this.#ended
  }
}

export interface Answer {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** One command line from start to end. */
export async function millrace(directory: string, ...args: string[]): Promise<Answer> {
  await using command = new CommandLine(directory, ...args)
  const { code } = await command.ended()
  return { code, out: command.out, err: command.err }
}

/** The `result` of one command line with `--json`, which has to succeed. */
export async function resultOf<T>(directory: string, ...args: string[]): Promise<T> {
  const { code, out, err } = await millrace(directory, ...args, '--json')
  if (code !== 0) throw new Error(`millrace ${args.join(' ')} ended with ${code}:\n${out}${err}`)
  const last = out.trimEnd().split('\n').at(-1) ?? ''
  return (JSON.parse(last) as { result: T }).result
}

async function within<T>(work: Promise<T>, why: () => string): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(why())), PATIENCE_MS)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
