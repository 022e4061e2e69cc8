import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'

const program = path.resolve(import.meta.dirname, '..', '..', 'bin', 'millrace')

/** What the job prints when its output is no terminal: one JSON line for each event. */
export interface JobEvent {
  readonly event: string
  readonly checkpoint?: number
  readonly written?: number
  readonly recommitted?: number
  readonly names?: readonly string[]
}

export interface JobEnd {
  /** `null`: killed. */
  readonly code: number | null
  /** What it said on standard error. */
  readonly said: string
}

/** `bin/millrace run`, as anybody would start it, in a process of its own. */
export class JobProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #ended: Promise<JobEnd>

  /** `failpoint` is where the process kills itself with SIGKILL. */
  constructor(pipeline: string, failpoint: string | undefined, see: (event: JobEvent) => void) {
    const { MILLRACE_FAILPOINTS: _, ...environment } = process.env
    const armed = failpoint === undefined ? {} : { MILLRACE_FAILPOINTS: `${failpoint}=kill` }
    const child = spawn(process.execPath, [program, 'run', pipeline], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment, ...armed },
    })
    this.#child = child
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      // The last line of a killed process may be cut.
      if (line.startsWith('{') && line.endsWith('}')) see(JSON.parse(line) as JobEvent)
    })
    this.#ended = once(child, 'close').then(([code]) => ({ code: code as number | null, said }))
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  ended(): Promise<JobEnd> {
    return this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.kill()
    await this.#ended
  }
}
