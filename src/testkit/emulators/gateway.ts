import { setTimeout as sleep } from 'node:timers/promises'
import type { EmulatorClock } from './clock.ts'
import type { FaultRule, Faults, Operation } from './faults.ts'
import type { Exchange, Reply } from './http-server.ts'
import type { RequestView } from './options.ts'

/** What a request is about, and the work that answers it. */
export interface Route {
  readonly operation?: Operation
  readonly database?: string
  readonly table?: string
  readonly label?: string
  readonly run: () => Promise<Reply> | Reply
}

export interface ServerName {
  readonly role: 'frontend' | 'backend'
  readonly index: number
}

/** What faults can do to the cluster. */
export interface ClusterEvents {
  expireTransaction(database: string, label: string): void
  evictLabel(database: string, label: string): void
  restartFrontend(): void
}

/** Requests remembered for `requests()`. */
const REQUESTS_MAX = 20_000

/** Between the listeners and the servers' logic: writes the request log and lets the fault rules act. */
export class Gateway {
  readonly #faults: Faults
  readonly #clock: EmulatorClock
  readonly #events: ClusterEvents
  #log: RequestView[] = []

  constructor(faults: Faults, clock: EmulatorClock, events: ClusterEvents) {
    this.#faults = faults
    this.#clock = clock
    this.#events = events
  }

  requests(): readonly RequestView[] {
    return this.#log.slice(-REQUESTS_MAX)
  }

  /** Answers one request; undefined when its connection has to be closed. */
  async answer(server: ServerName, exchange: Exchange, route: Route): Promise<Reply | undefined> {
    const time = this.#clock.now()
    let reply: Reply | undefined
    try {
      reply = await this.#withFaults(server, exchange, route)
      return reply
    } finally {
      this.#write(time, server, exchange, reply?.status ?? 0)
    }
  }

  async #withFaults(server: ServerName, exchange: Exchange, route: Route): Promise<Reply | undefined> {
    const rules = this.#faults.take({
      role: server.role,
      method: exchange.method,
      operation: route.operation,
      table: route.table,
      label: route.label,
    })
    for (const rule of rules) {
      const early = await this.#before(rule, server, exchange, route)
      if (early !== 'go on') return early
    }
    let reply: Reply | undefined = await route.run()
    for (const rule of rules) reply = this.#after(rule, server, route, reply)
    return reply
  }

  async #before(
    rule: FaultRule,
    server: ServerName,
    exchange: Exchange,
    route: Route,
  ): Promise<Reply | undefined | 'go on'> {
    switch (rule.action) {
      case 'drop-request':
        return undefined
      case 'delay':
        await sleep(rule.ms ?? 0, undefined, { ref: false })
        return 'go on'
      case 'status':
        return { status: rule.status ?? 500, body: rule.body ?? '', close: true }
      case 'redirect':
        return { status: 307, body: '', headers: { Location: rule.location ?? '' } }
      case 'reset-mid-body':
        exchange.resetAfterBytes =
          rule.bytes ?? (Math.floor(Number(exchange.headers['content-length'] ?? 0) / 2) || 1024)
        return 'go on'
      case 'expire-transaction':
      case 'evict-label':
      case 'restart-frontend':
        if (rule.when === 'after') return 'go on'
        this.#strike(rule, route)
        // A restarting frontend takes the requests with it that it was answering.
        return rule.action === 'restart-frontend' && server.role === 'frontend' ? undefined : 'go on'
      case 'drop-reply':
      case 'garble':
        return 'go on'
    }
  }

  #after(rule: FaultRule, server: ServerName, route: Route, reply: Reply | undefined): Reply | undefined {
    if (rule.action === 'drop-reply') return undefined
    if (rule.action === 'garble' && reply !== undefined) {
      return { ...reply, body: reply.body.slice(0, Math.floor(reply.body.length / 2)) }
    }
    if (rule.when !== 'after') return reply
    this.#strike(rule, route)
    return rule.action === 'restart-frontend' && server.role === 'frontend' ? undefined : reply
  }

  #strike(rule: FaultRule, route: Route): void {
    const { database = '', label = '' } = route
    if (rule.action === 'expire-transaction') this.#events.expireTransaction(database, label)
    if (rule.action === 'evict-label') this.#events.evictLabel(database, label)
    if (rule.action === 'restart-frontend') this.#events.restartFrontend()
  }

  #write(time: number, server: ServerName, exchange: Exchange, status: number): void {
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(exchange.headers)) headers[name] = String(value)
    if ('authorization' in headers) headers['authorization'] = '***'
    const { method, url: path, bodyBytes } = exchange
    this.#log.push({ time, server: `${server.role}-${server.index}`, method, path, headers, bodyBytes, status })
    if (this.#log.length > 2 * REQUESTS_MAX) this.#log = this.#log.slice(-REQUESTS_MAX)
  }
}
