import type { Clock } from '../../core/context.ts'
import type { ExchangeStep, Plan } from '../../plan/plan.ts'
import type { FromLane, ToLane } from '../messages.ts'
import { decideRoutes, type AllRoutes } from './decide-routes.ts'

/** Between two decisions. */
const DECIDE_MS = 1000

/** Weight of the newest measurement against those before it. */
const NEWEST = 0.5

/** Values of which this is left per second are forgotten. */
const FORGET_BYTES = 1

interface Exchange {
  readonly step: ExchangeStep
  /** Bytes since the last decision, by value and lane. */
  counted: Map<string, number[]>
  /** Smoothed bytes per second, by value and lane. */
  rates: Map<string, number[]>
  routes: AllRoutes
  since: number
}

/**
 * Decides for all lanes where exchanges send rows that may go anywhere. Lanes follow from any batch on: such rows are
 * right in every lane, so nothing has to be in step.
 */
export class RouteDesk {
  readonly #plan: Plan
  readonly #clock: Clock
  readonly #send: (lane: number, message: ToLane) => void
  readonly #exchanges = new Map<string, Exchange>()

  constructor(plan: Plan, clock: Clock, send: (lane: number, message: ToLane) => void) {
    this.#plan = plan
    this.#clock = clock
    this.#send = send
    for (const step of plan.steps) {
      if (step.kind !== 'exchange' || step.routing.together !== 'may') continue
      const since = clock.now()
      this.#exchanges.set(step.id, { step, counted: new Map(), rates: new Map(), routes: new Map(), since })
    }
  }

  hear(lane: number, { exchange: id, values }: FromLane & { kind: 'measured' }): void {
    const exchange = this.#exchanges.get(id)
    if (exchange === undefined) return
    for (const [value, bytes] of values) add(exchange.counted, value, lane, bytes, this.#plan.parallelism)
    const now = this.#clock.now()
    // Negative when the clock was set back: what was counted since then has no duration.
    const passed = now - exchange.since
    if (passed >= 0 && passed < DECIDE_MS) return
    measure(exchange, Math.max(passed, DECIDE_MS) / 1000)
    exchange.since = now
    this.#decide(exchange)
  }

  #decide(exchange: Exchange): void {
    const { parallelism: lanes, times } = this.#plan
    const { enoughBytes = Number.POSITIVE_INFINITY } = exchange.step.routing
    const rates = [...exchange.rates].map(([value, read]) => ({ value, read }))
    exchange.routes = decideRoutes(rates, exchange.routes, { lanes, enough: enoughBytes / (times.intervalMs / 1000) })
    for (let lane = 0; lane < lanes; lane++) {
      const routes = [...exchange.routes].flatMap(([value, senders]) => {
        const route = senders[lane]
        return route === undefined ? [] : [[value, route] as const]
      })
      this.#send(lane, { kind: 'routes', exchange: exchange.step.id, routes })
    }
  }
}

function measure(exchange: Exchange, seconds: number): void {
  for (const [value, rates] of exchange.rates) {
    const counted = exchange.counted.get(value) ?? []
    const smoothed = rates.map((rate, lane) => rate * (1 - NEWEST) + ((counted[lane] ?? 0) / seconds) * NEWEST)
    if (smoothed.every((rate) => rate < FORGET_BYTES)) exchange.rates.delete(value)
    else exchange.rates.set(value, smoothed)
    exchange.counted.delete(value)
  }
  for (const [value, counted] of exchange.counted) {
    exchange.rates.set(
      value,
      counted.map((bytes) => bytes / seconds),
    )
  }
  exchange.counted = new Map()
}

function add(to: Map<string, number[]>, value: string, lane: number, bytes: number, lanes: number): void {
  const counted = to.get(value) ?? Array.from({ length: lanes }, () => 0)
  counted[lane] = (counted[lane] ?? 0) + bytes
  to.set(value, counted)
}
