import type { EmulatorClock } from '../clock.ts'
import type { StarRocksSettings } from './settings.ts'

interface Entry {
  readonly backend: number
  readonly expiresAt: number
}

/** The leader's memory of which backend holds a label. Bounded by age and by count; lost with the leader. */
export class CoordinatorCache {
  readonly #clock: EmulatorClock
  readonly #settings: StarRocksSettings
  readonly #entries = new Map<string, Entry>()

  constructor(clock: EmulatorClock, settings: StarRocksSettings) {
    this.#clock = clock
    this.#settings = settings
  }

  get(database: string, label: string): number | undefined {
    const entry = this.#entries.get(`${database}\n${label}`)
    return entry !== undefined && entry.expiresAt > this.#clock.now() ? entry.backend : undefined
  }

  set(database: string, label: string, backend: number): void {
    const key = `${database}\n${label}`
    const lifeMs = this.#settings.transactionStreamLoadCoordinatorCacheExpireSecond * 1000
    this.#entries.delete(key)
    this.#entries.set(key, { backend, expiresAt: this.#clock.now() + lifeMs })
    const oldest = this.#entries.keys().next()
    const capacity = this.#settings.transactionStreamLoadCoordinatorCacheCapacity
    if (this.#entries.size > capacity && oldest.done !== true) this.#entries.delete(oldest.value)
  }

  clear(): void {
    this.#entries.clear()
  }
}
