import type { Clock } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { FailpointPosition } from '../../core/failpoints.ts'
import type { World } from './world.ts'

/** Whose event it is. All that follows from an event happens before the next one, so one variable tells. */
let current: SimulatedProcess | undefined

/** The process whose code runs at this moment. */
export function thisProcess(): SimulatedProcess {
  if (current === undefined) throw new Error('no simulated process runs here')
  return current
}

export function anyProcess(): SimulatedProcess | undefined {
  return current
}

function enter(process: SimulatedProcess): void {
  current = process
}

/** The next event is nobody's until a process takes it. */
export function leaveProcess(): void {
  current = undefined
}

/** How long a client waits for a reply that does not come. */
const REPLY_TIMEOUT_MS = 400

/**
 * One process of the job. What it does to the world goes through its clock and its calls, so killing it means that
 * nothing of it is heard any more, and stopping it that everything waits until it wakes.
 */
export class SimulatedProcess {
  readonly name: string
  readonly clock: Clock
  readonly world: World
  #state: 'running' | 'stopped' | 'dead' = 'running'
  #waiting: (() => void)[] = []
  /** Sleeps that a signal can end, by signal: to listen once is cheaper than with every sleep. */
  readonly #sleepers = new Map<AbortSignal, Sleepers>()
  /** What its clock is ahead of the world's. */
  skewMs = 0

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
    this.clock = {
      now: () => Date.UTC(2026, 0, 1) + world.time.now + this.skewMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
      after: (ms, act) => this.after(ms, act),
    }
  }

  get isDead(): boolean {
    return this.#state === 'dead'
  }

  get isRunning(): boolean {
    return this.#state === 'running'
  }

  get isStopped(): boolean {
    return this.#state === 'stopped'
  }

  /** SIGKILL, or the end of the process. */
  die(): void {
    this.#state = 'dead'
    this.#waiting = []
    // A signal of several holds its listeners for ever, and through them the whole world.
    for (const [signal, { wakeAll }] of this.#sleepers) signal.removeEventListener('abort', wakeAll)
    this.#sleepers.clear()
    this.world.time.forget(this)
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped'
  }

  /** SIGCONT: what came in meanwhile is dealt with now, in its order. */
  wake(): void {
    if (this.#state !== 'stopped') return
    this.#state = 'running'
    const waiting = this.#waiting
    this.#waiting = []
    for (const act of waiting) this.after(0, act)
  }

  /** An event of this process: while it is stopped, it waits. */
  after(ms: number, act: () => void): () => void {
    return this.world.time.after(ms, () => this.#whenAwake(act), this)
  }

  failpoint(name: string, position: FailpointPosition): void {
    if (this.#state === 'running') this.world.reached(this, name, position)
  }

  /**
   * A call to a server. The request is on its way when this returns, whatever becomes of the process; what the server
   * throws comes back as the reply.
   *
   * @throws MillraceError `UNAVAILABLE` when the request or the reply is lost: the caller cannot tell which.
   */
  call<T>(what: string, effect: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#whenAwake(() => {
        const { time, network } = this.world
        const { fate, thereMs, backMs } = network.route()
        time.after(thereMs, () => {
          const lost = (): void => {
            this.after(REPLY_TIMEOUT_MS, () => reject(unreachable(what)))
          }
          if (fate === 'request lost') return lost()
          let reply: () => void
          try {
            const value = effect()
            reply = () => resolve(value)
          } catch (error) {
            const refusal = error instanceof Error ? error : new Error(String(error))
            reply = () => reject(refusal)
          }
          if (fate === 'reply lost') return lost()
          this.after(backMs, reply)
        })
      })
    })
  }

  #whenAwake(act: () => void): void {
    if (this.#state === 'dead') return
    if (this.#state === 'stopped') this.#waiting.push(act)
    else {
      enter(this)
      act()
    }
  }

  #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      if (signal === undefined) return void this.after(ms, resolve)
      if (signal.aborted) return resolve()
      const { asleep } = this.#sleepersOf(signal)
      const done = (): void => {
        cancel()
        asleep.delete(done)
        resolve()
      }
      const cancel = this.after(ms, done)
      asleep.add(done)
    })
  }

  #sleepersOf(signal: AbortSignal): Sleepers {
    const known = this.#sleepers.get(signal)
    if (known !== undefined) return known
    const asleep = new Set<() => void>()
    const wakeAll = (): void => {
      this.#sleepers.delete(signal)
      for (const done of asleep) done()
    }
    const sleepers = { asleep, wakeAll }
    signal.addEventListener('abort', wakeAll, { once: true })
    this.#sleepers.set(signal, sleepers)
    return sleepers
  }
}

interface Sleepers {
  readonly asleep: Set<() => void>
  readonly wakeAll: () => void
}

export function unreachable(what: string): MillraceError {
  return new MillraceError(`${what}: no reply`, { code: 'UNAVAILABLE', retry: 'restart' })
}
