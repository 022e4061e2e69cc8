import { keyLane } from '../../dataplane/key-groups.ts'

/** Values beyond these are not measured: they keep the lane of their hash. */
const VALUES_MAX = 4096

/**
 * Where the rows of a value go: to one lane, or shares of them to several (by lane, adding up to 1).
 * Values are texts of keys; they are data, so they never leave the process.
 */
export type Route = number | readonly number[]

/** One sender's routes. A value without one goes to the lane of its hash. */
export type Routes = readonly (readonly [value: string, route: Route])[]

/** Bytes of each value since the last report. */
export type ValueBytes = readonly (readonly [value: string, bytes: number])[]

/** What one lane does with rows that may go to any lane: follows the routes, and measures. */
export class Spreader {
  readonly #lanes: number
  #routes = new Map<string, Route>()
  /** How far each lane is behind its share of a value, in bytes. */
  readonly #owed = new Map<string, number[]>()
  #measured = new Map<string, number>()

  constructor(lanes: number) {
    this.#lanes = lanes
  }

  follow(routes: Routes): void {
    this.#routes = new Map(routes)
    for (const value of this.#owed.keys()) if (!this.#routes.has(value)) this.#owed.delete(value)
  }

  /** Values whose rows go to several lanes. */
  get scattered(): number {
    return [...this.#routes.values()].filter((route) => typeof route !== 'number').length
  }

  /** The lane for these rows of a value, all of them: shares even out over several calls. */
  place(value: string, bytes: number): number {
    const measured = this.#measured.get(value)
    if (measured !== undefined || this.#measured.size < VALUES_MAX) this.#measured.set(value, (measured ?? 0) + bytes)
    const route = this.#routes.get(value)
    if (route === undefined) return keyLane(value, this.#lanes)
    return typeof route === 'number' ? route : this.#placeByShare(value, route, bytes)
  }

  /** What was measured since the last call. */
  report(): ValueBytes {
    const report = [...this.#measured]
    this.#measured = new Map()
    return report
  }

  #placeByShare(value: string, shares: readonly number[], bytes: number): number {
    const owed = this.#owed.get(value) ?? shares.map(() => 0)
    let lane = 0
    for (const [candidate, share] of shares.entries()) {
      owed[candidate] = (owed[candidate] ?? 0) + share * bytes
      if ((owed[candidate] ?? 0) > (owed[lane] ?? 0)) lane = candidate
    }
    owed[lane] = (owed[lane] ?? 0) - bytes
    this.#owed.set(value, owed)
    return lane
  }
}
