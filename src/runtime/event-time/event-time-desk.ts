import type { StateByStep } from '../../checkpoint/kept-state.ts'
import type { LaneTime } from './lane-event-time.ts'

/**
 * Event time of all lanes, in the coordinator: the least of what they say. It takes effect with barriers only, so that all
 * lanes close the same windows with the same checkpoint, and call the same rows late.
 */
export class EventTimeDesk {
  readonly #lanes: number
  #told = new Map<string, LaneTime[]>()
  #settled = new Map<string, bigint>()

  constructor(lanes: number) {
    this.#lanes = lanes
  }

  /** A start or a rewind: lanes read anew from a checkpoint. */
  begin(state: StateByStep | undefined): void {
    this.#told.clear()
    this.#settled = eventTimesOf(state)
  }

  /** True when event time has moved on: windows may close with the next barrier. */
  hear(lane: number, times: ReadonlyMap<string, LaneTime>): boolean {
    let hasMoved = false
    for (const [step, time] of times) {
      const told = this.#told.get(step) ?? Array.from({ length: this.#lanes }, (): LaneTime => 'waiting')
      told[lane] = time
      this.#told.set(step, told)
      const now = leastOf(told)
      const settled = this.#settled.get(step)
      hasMoved ||= now !== undefined && (settled === undefined || now > settled)
    }
    return hasMoved
  }

  /** What the next barrier says. Never goes back. */
  settle(): ReadonlyMap<string, bigint> {
    for (const [step, told] of this.#told) {
      const now = leastOf(told)
      const settled = this.#settled.get(step)
      if (now !== undefined && (settled === undefined || now > settled)) this.#settled.set(step, now)
    }
    return new Map(this.#settled)
  }
}

/** Where windows are closed up to, by step, as a checkpoint holds it. */
export function eventTimesOf(state: StateByStep | undefined): Map<string, bigint> {
  const entries = Object.entries(state ?? {}).flatMap(([step, { eventTime }]): [string, bigint][] =>
    eventTime === undefined ? [] : [[step, BigInt(eventTime)]],
  )
  return new Map(entries)
}

/** Lanes that have nothing to wait for do not count; while all of them are idle nobody knows how late it is. */
function leastOf(told: readonly LaneTime[]): bigint | undefined {
  let least: bigint | undefined
  for (const time of told) {
    if (time === 'waiting') return undefined
    if (time !== 'idle' && (least === undefined || time < least)) least = time
  }
  return least
}
