/** The time of an emulated server. Times are milliseconds since 1970. */
export interface EmulatorClock {
  now(): number
  /** Runs `run` once after `delayMs`; calling what is returned cancels it. */
  schedule(delayMs: number, run: () => void): () => void
}

/** Longest wait that `setTimeout` takes; longer ones are waited for in pieces. */
const TIMER_MAX_MS = 2_000_000_000

/** Wall time. Its timers never keep the process alive. */
export function realClock(): EmulatorClock {
  return {
    now: () => Date.now(),
    schedule: (delayMs, run) => {
      const dueAt = Date.now() + delayMs
      let timer: NodeJS.Timeout
      const arm = (): void => {
        const left = dueAt - Date.now()
        timer = setTimeout(() => (left > TIMER_MAX_MS ? arm() : run()), Math.max(0, Math.min(left, TIMER_MAX_MS)))
        timer.unref()
      }
      arm()
      return () => clearTimeout(timer)
    },
  }
}

interface Alarm {
  readonly dueAt: number
  readonly run: () => void
}

/** Time that stands still until a test moves it: timeouts of hours and days pass at once, in order. */
export class ManualClock implements EmulatorClock {
  #now: number
  readonly #alarms = new Set<Alarm>()

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  schedule(delayMs: number, run: () => void): () => void {
    const alarm: Alarm = { dueAt: this.#now + Math.max(0, delayMs), run }
    this.#alarms.add(alarm)
    return () => this.#alarms.delete(alarm)
  }

  /** Moves time forward and runs everything that falls due, earliest first. */
  advance(ms: number): void {
    const target = this.#now + ms
    for (let next = this.#next(target); next !== undefined; next = this.#next(target)) {
      this.#alarms.delete(next)
      this.#now = Math.max(this.#now, next.dueAt)
      next.run()
    }
    this.#now = target
  }

  #next(until: number): Alarm | undefined {
    let first: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (alarm.dueAt <= until && (first === undefined || alarm.dueAt < first.dueAt)) first = alarm
    }
    return first
  }
}
