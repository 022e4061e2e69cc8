import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { ExchangeStep, Plan } from '../../plan/plan.ts'

/** One lane's ends of the channels of an exchange, by lane; undefined for our own. */
export interface ExchangeLinks {
  readonly exchange: string
  /** Rows go out here, and credits come back. */
  readonly out: readonly (MessagePort | undefined)[]
  /** Rows come in here, and credits go back. */
  readonly in: readonly (MessagePort | undefined)[]
}

/** A channel from every lane to every other one, for each exchange of the plan. Returns the ends of each lane. */
export function linkExchanges(plan: Plan): readonly (readonly ExchangeLinks[])[] {
  const lanes = plan.parallelism
  const byLane: ExchangeLinks[][] = Array.from({ length: lanes }, () => [])
  for (const { id: exchange } of plan.steps.filter((step): step is ExchangeStep => step.kind === 'exchange')) {
    const none = (): (MessagePort | undefined)[] => Array.from({ length: lanes }, () => undefined)
    const ends = Array.from({ length: lanes }, () => ({ exchange, out: none(), in: none() }))
    for (const [sender, from] of ends.entries()) {
      for (const [receiver, to] of ends.entries()) {
        if (sender === receiver) continue
        const { port1, port2 } = new MessageChannel()
        from.out[receiver] = port1
        to.in[sender] = port2
      }
    }
    ends.forEach((links, lane) => byLane[lane]?.push(links))
  }
  return byLane
}

export function portsOf(links: readonly ExchangeLinks[]): MessagePort[] {
  return links.flatMap((link) => [...link.out, ...link.in]).filter((port) => port !== undefined)
}
