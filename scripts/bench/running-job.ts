/** A pipeline that runs until it is killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { killWithUs } from './kill-with-us.ts'
import { MILLRACE } from './pipeline-runs.ts'
import type { StoreProcess } from './test-bed.ts'

const PATIENCE_MS = 60_000
const LOOK_MS = 5

export class RunningJob implements AsyncDisposable {
  readonly #process: ChildProcess
  #text = ''

  constructor(directory: string, file: string, environment: Readonly<Record<string, string>> = {}) {
    const args = [MILLRACE, 'run', file]
    const env = { ...process.env, ...environment }
    this.#process = spawn(process.execPath, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
    killWithUs(this.#process, () => this.#process.kill('SIGKILL'))
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#text += text))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  hasTold(event: string): boolean {
    return this.#text.includes(`"event":"${event}"`)
  }

  /** Looks every few milliseconds; rejects with what the job said when it ends before. */
  async until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
    const end = performance.now() + PATIENCE_MS
    while (!(await isTrue())) {
      if (this.#process.exitCode !== null || performance.now() > end)
        throw new Error(`waited in vain for a pipeline: ${this.#text.slice(-4000)}`)
      await pause(LOOK_MS)
    }
  }

  /** Resolves when it has ended by itself, or was killed by a failpoint. */
  async ended(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit')
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

/** Visible rows of a table that the first load creates. */
export async function countOf(store: StoreProcess, table: string): Promise<number> {
  const tables = await store.control.tables()
  return tables.find((one) => one.table === table)?.rowCount ?? 0
}
