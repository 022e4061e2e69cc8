import type { CheckpointLog } from '../../storage/checkpoint-log.ts'
import { LocalLog, type LogFs } from '../../storage/local-log.ts'
import type { SimulatedProcess } from './process.ts'

/**
 * The real log of the local disk, over a file system in memory. A call takes a while before and after its effect, so that
 * other processes come in between; a process that dies in the middle of a call leaves what it had done until then.
 */
export class DiskLog implements CheckpointLog {
  readonly address: string
  readonly #process: SimulatedProcess
  readonly #appended: (seq: number, bytes: Uint8Array) => void
  readonly #log: LocalLog

  /** `appended` is told of every try. */
  constructor(process: SimulatedProcess, address: string, appended: (seq: number, bytes: Uint8Array) => void) {
    this.address = address
    this.#process = process
    this.#appended = appended
    this.#log = new LocalLog(this.address, process.name, guarded(process))
  }

  newest(): Promise<number | undefined> {
    return this.#do(() => this.#log.newest())
  }

  list(from: number): Promise<readonly number[]> {
    return this.#do(() => this.#log.list(from))
  }

  read(seq: number): Promise<Uint8Array | undefined> {
    return this.#do(() => this.#log.read(seq))
  }

  async append(seq: number, bytes: Uint8Array): Promise<'appended' | 'exists'> {
    return this.#do(() => {
      try {
        return this.#log.append(seq, bytes)
      } finally {
        this.#appended(seq, bytes)
      }
    })
  }

  remove(seqs: readonly number[]): Promise<void> {
    return this.#do(() => this.#log.remove(seqs))
  }

  async close(): Promise<void> {}

  async #do<T>(act: () => T): Promise<T> {
    const { random, story } = this.#process.world
    await this.#takes(random.between(0, 3))
    const result = act()
    story.tell(this.#process.name, 'log call')
    await this.#takes(random.between(0, 2))
    return result
  }

  /** What takes no time lets nobody in between. */
  async #takes(ms: number): Promise<void> {
    if (ms > 0 || !this.#process.isRunning) await this.#process.clock.sleep(ms)
  }
}

/** The file system as a process sees it: for a dead one nothing works any more, for all of them the disk may be full. */
function guarded(process: SimulatedProcess): LogFs {
  const { world } = process
  const calls = CALLS.map((name) => {
    const takesRoom = name === 'openSync' || name === 'writeSync'
    const call = (...all: unknown[]): unknown => {
      if (process.isDead) throw new Error('the process is dead')
      if (takesRoom && world.isDiskFull && all[1] !== 'r') {
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      }
      // A power cut leaves another disk behind.
      const real = world.disk.fs[name] as (...args: unknown[]) => unknown
      return real(...all)
    }
    return [name, call] as const
  })
  return Object.fromEntries(calls) as unknown as LogFs
}

const CALLS: readonly (keyof LogFs)[] = [
  'openSync',
  'writeSync',
  'fsyncSync',
  'closeSync',
  'linkSync',
  'unlinkSync',
  'readdirSync',
  'readFileSync',
  'mkdirSync',
]
