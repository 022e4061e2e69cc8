import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { killWithUs } from './kill-with-us.ts'
import { programPath } from './test-bed.ts'

/** The emulated log service in a process of its own. */
export class LogService implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #url: string
  readonly #controlUrl: string
  readonly #filled = new Set<string>()

  private constructor(child: ChildProcess, told: { readonly url: string; readonly controlUrl: string }) {
    this.#process = child
    this.#url = told.url
    this.#controlUrl = told.controlUrl
  }

  static async start(): Promise<LogService> {
    const program = fileURLToPath(new URL('../../src/testkit/emulators/sls/main.ts', import.meta.url))
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
    killWithUs(child, () => child.kill('SIGKILL'))
    const [line] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [unknown]
    if (child.exitCode !== null) throw new Error(`the emulated log service ended with ${child.exitCode}`)
    child.stdout.resume()
    return new LogService(child, JSON.parse(String(line)) as { url: string; controlUrl: string })
  }

  /** The options of a bounded source with so many rows, in a logstore that is filled once. */
  source(rows: number): Readonly<Record<string, unknown>> {
    const logstore = `rows_${rows}`
    if (!this.#filled.has(logstore)) {
      const args = [programPath('sls-load.ts'), this.#controlUrl, logstore, String(rows)]
      const done = spawnSync(process.execPath, args, { stdio: 'inherit' })
      if (done.status !== 0) throw new Error(`${args.join(' ')} ended with ${done.status}`)
      this.#filled.add(logstore)
    }
    const key = { accessKeyId: 'testAccessKeyId', accessKeySecret: 'testAccessKeySecret' }
    return { connector: 'sls', endpoint: this.#url, project: 'demo', logstore, ...key, end: 'latest' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}
