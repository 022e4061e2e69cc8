import { errorFromData, MillraceError } from '../core/errors.ts'
import type { Clock } from '../core/context.ts'
import type { Plan } from '../plan/plan.ts'
import type { ConnectorModules } from './connectors.ts'
import { linkExchanges } from './exchange/link-exchanges.ts'
import { RouteDesk } from './exchange/route-desk.ts'
import type { HandedRecords } from './handed-records.ts'
import { shareWriters } from './share-writers.ts'
import { openLaneThread } from './lane-handle.ts'
import type { FromLane, LaneData, ToLane } from './messages.ts'

/** Rolling back open work asks servers, which may be away: their clients give up after some ten seconds. */
const HALT_MS = 60_000

export interface LaneListener {
  message(lane: number, message: FromLane): void
  died(error: MillraceError): void
}

/** The coordinator's end of a lane. */
export interface LanePort {
  send(message: ToLane): void
  close(): Promise<void>
}

/** Starts a lane. `receive` gets every message of it; `died` is called when it ends without being asked to. */
export type OpenLane = (
  data: LaneData,
  receive: (lane: number, message: FromLane) => void,
  died: (error: MillraceError) => void,
) => LanePort

export interface LaneGroupOptions {
  readonly plan: Plan
  readonly connectors: ConnectorModules
  readonly clock: Clock
  /** Default: a worker thread. */
  readonly openLane?: OpenLane
}

/** All lanes of a job. They boot while the coordinator claims its epoch and restores. */
export class LaneGroup {
  readonly #lanes: readonly LanePort[]
  readonly #clock: Clock
  readonly #ready = Promise.withResolvers<void>()
  #waitingReady: number
  #halted: { left: number; handed: HandedRecords[]; done: (handed: HandedRecords[]) => void } | undefined

  constructor({ plan, connectors, clock, openLane = openLaneThread }: LaneGroupOptions, listener: LaneListener) {
    this.#clock = clock
    this.#waitingReady = plan.parallelism
    this.#ready.promise.catch(() => undefined)
    const routes = new RouteDesk(plan, clock, (lane, message) => this.sendTo(lane, message))
    const receive = (lane: number, message: FromLane): void => {
      if (message.kind === 'measured') routes.hear(lane, message)
      else if (message.kind === 'ready') this.#countReady()
      else if (message.kind === 'halted') this.#countHalted(message.handed)
      else if (message.kind === 'failed' && message.attempt === 0) this.#ready.reject(errorFromData(message.error))
      else listener.message(lane, message)
    }
    const shared = shareWriters(plan)
    const exchanges = linkExchanges(plan)
    this.#lanes = Array.from({ length: plan.parallelism }, (_, lane) => {
      const data = {
        plan,
        lane,
        lanes: plan.parallelism,
        connectors,
        shared: shared[lane] ?? [],
        exchanges: exchanges[lane] ?? [],
      }
      return openLane(data, receive, (error) => listener.died(error))
    })
  }

  /** Every lane has built its steps. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  send(message: (lane: number) => ToLane): void {
    this.#lanes.forEach((handle, lane) => handle.send(message(lane)))
  }

  sendTo(lane: number, message: ToLane): void {
    this.#lanes[lane]?.send(message)
  }

  /**
   * All lanes at rest with their open work thrown away; returns what they had handed on. A lane that does not come to
   * rest ends the job.
   */
  async halt(): Promise<readonly HandedRecords[]> {
    const late = new MillraceError(`a lane did not come to rest within ${HALT_MS / 1000} s`, { code: 'INTERNAL' })
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(HALT_MS, () => reject(late))
      const done = (handed: HandedRecords[]): void => {
        cancel()
        resolve(handed)
      }
      this.#halted = { left: this.#lanes.length, handed: [], done }
      this.send(() => ({ kind: 'halt' }))
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()))
  }

  #countReady(): void {
    this.#waitingReady -= 1
    if (this.#waitingReady === 0) this.#ready.resolve()
  }

  #countHalted(handed: readonly HandedRecords[]): void {
    if (this.#halted === undefined) return
    this.#halted.left -= 1
    this.#halted.handed.push(...handed)
    if (this.#halted.left > 0) return
    this.#halted.done(this.#halted.handed)
    this.#halted = undefined
  }
}
