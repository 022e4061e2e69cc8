import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { Plan, SinkStep } from '../plan/plan.ts'
import type { SharedSink } from './messages.ts'

/**
 * Where a sink wants fewer writers than there are lanes: writer `k` lives in lane `k`, and every other lane feeds the one
 * of `lane % writers`. Returns each lane's ends of the channels between them.
 */
export function shareWriters(plan: Plan): readonly (readonly SharedSink[])[] {
  const lanes = plan.parallelism
  const byLane: SharedSink[][] = Array.from({ length: lanes }, () => [])
  const sinks = plan.steps.filter((step): step is SinkStep => step.kind === 'sink')
  for (const { id: sink, writers } of sinks) {
    if (writers === 'lanes' || writers >= lanes) continue
    const hosted: MessagePort[][] = Array.from({ length: writers }, () => [])
    for (let lane = writers; lane < lanes; lane++) {
      const { port1, port2 } = new MessageChannel()
      hosted[lane % writers]?.push(port1)
      byLane[lane]?.push({ sink, role: 'remote', ports: [port2] })
    }
    hosted.forEach((ports, lane) => byLane[lane]?.push({ sink, role: 'host', ports }))
  }
  return byLane
}
