import type { MessagePort } from 'node:worker_threads'
import { portsOf } from './exchange/link-exchanges.ts'
import type { LaneData } from './messages.ts'

/** A lane's ends of all channels to other lanes. */
export function channelsOf({ shared, exchanges }: LaneData): MessagePort[] {
  return [...shared.flatMap((sink) => sink.ports), ...portsOf(exchanges)]
}
