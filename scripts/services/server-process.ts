/** A server in a process of its own: start, wait until it answers, end, start again on the same port and data. */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'

export interface ServerProcessOptions {
  /** For messages, such as `MariaDB`. */
  readonly name: string
  readonly command: readonly string[]
  /** Everything that it prints is added here. */
  readonly logFile: string
  readonly env?: Readonly<Record<string, string>>
  /** User id that the server runs as. Needs root. */
  readonly uid?: number | undefined
  /** The server goes on when this process ends. */
  readonly isDetached: boolean
  /** Where it runs. Default: where this process does. */
  readonly directory?: string
  /** The signal that asks it to end soon and in good order. */
  readonly endSignal: 'SIGTERM' | 'SIGINT'
  /** What it prints when it ends at once for a reason that passes, such as the remains of its killed predecessor. */
  readonly passing?: RegExp
  /** Throws as long as the server does not answer. */
  isUp(): Promise<void>
}

export class ServerProcess {
  readonly #options: ServerProcessOptions
  #child: ChildProcess | undefined

  constructor(options: ServerProcessOptions) {
    this.#options = options
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  async start(): Promise<void> {
    const { name, logFile, passing } = this.#options
    const end = Date.now() + 180_000
    let reason: unknown
    while (Date.now() < end) {
      const start = existsSync(logFile) ? readFileSync(logFile, 'utf8').length : 0
      this.#launch()
      while (this.#isAlive() && Date.now() < end) {
        try {
          return await this.#options.isUp()
        } catch (error) {
          reason = error
        }
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      if (passing?.test(readFileSync(logFile, 'utf8').slice(start)) !== true) break
    }
    this.#child?.kill('SIGKILL')
    const said = readFileSync(logFile, 'utf8').slice(-3000)
    throw new Error(
      `${name} did not come up (${reason instanceof Error ? reason.message : 'it ended at once'}): ${said}`,
    )
  }

  #launch(): void {
    const { logFile, isDetached, directory } = this.#options
    const log = openSync(logFile, 'a')
    const [program = '', ...args] = [...this.#guard(), ...this.#options.command]
    const child = spawn(program, args, {
      stdio: ['ignore', log, log],
      detached: isDetached,
      ...(directory !== undefined && { cwd: directory }),
      env: { ...process.env, ...this.#options.env },
    })
    closeSync(log)
    // A program that is not there: its exit is seen below.
    child.once('error', () => undefined)
    this.#child = child
    if (isDetached) child.unref()
    else {
      const kill = (): void => void child.kill('SIGKILL')
      process.once('exit', kill)
      child.once('exit', () => process.removeListener('exit', kill))
    }
  }

  /** Asks it to end and waits; a server that does not within half a minute is killed. */
  async stop(): Promise<void> {
    await this.#end(this.#options.endSignal)
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.#isAlive()) return
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    const impatience = setTimeout(() => child.kill('SIGKILL'), 30_000)
    await exited
    clearTimeout(impatience)
  }

  #isAlive(): boolean {
    const child = this.#child
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** On Linux the kernel ends the server with us, also when we are killed. */
  #guard(): string[] {
    const { isDetached, uid } = this.#options
    const hasGuard = existsSync('/usr/bin/setpriv')
    const flags = [
      ...(isDetached || !hasGuard ? [] : ['--pdeathsig', 'KILL']),
      ...(uid === undefined ? [] : [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']),
    ]
    return flags.length === 0 ? [] : ['/usr/bin/setpriv', ...flags]
  }
}

/** A server that tests share or start for themselves. */
export interface DatabaseService extends AsyncDisposable {
  /** With a user who may do everything, such as `mysql://mill:…@127.0.0.1:3306`; no database is named. */
  readonly url: string
  readonly pid: number
  readonly dataDir: string
  /** PEM text of the authority that signed the server's certificate, when TLS was asked for. */
  readonly ca: string | undefined
  /** Ends it in good order; removes the data unless their directory was given. */
  stop(): Promise<void>
  /** Ends it with SIGKILL and keeps the data, for `restart()`. */
  kill(): Promise<void>
  /** Starts again on the same port and data; stops first when it runs. */
  restart(): Promise<void>
}

/** A database whose server is this process. */
export function databaseService(
  server: ServerProcess,
  { stop, ...told }: Pick<DatabaseService, 'url' | 'dataDir' | 'ca' | 'stop'>,
): DatabaseService {
  return {
    ...told,
    get pid(): number {
      return server.pid
    },
    stop,
    kill: () => server.kill(),
    async restart() {
      await server.stop()
      await server.start()
    },
    [Symbol.asyncDispose]: stop,
  }
}

export interface DatabaseServiceOptions {
  /** Kept after `stop()` when given; otherwise a temporary directory that goes with the service. */
  readonly dataDir?: string
  /** The server goes on when this process ends. */
  readonly detached?: boolean
  /** The server takes TLS connections too, with a certificate for 127.0.0.1 and localhost. */
  readonly tls?: boolean
  /** More lines of the server's settings file. They come last. */
  readonly settings?: readonly string[]
}
