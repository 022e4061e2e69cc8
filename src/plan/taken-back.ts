import type { Finding } from '../core/checkpoint-types.ts'
import type { SinkDescription } from '../core/connector.ts'
import type { Draft } from './check-definition.ts'
import type { Flow } from './flow.ts'
import { lateOf, type Graph } from './graph.ts'
import { configError } from './parsed-file.ts'

/**
 * Results that are taken back say which row was given before, as a checkpoint remembers it. A sink that writes ahead of its
 * checkpoint may hold others: those of a checkpoint that a kill ended. Read again, the rows may lie otherwise around the
 * barrier and make other sessions, and nobody would take back the ones that were written.
 */
export function takenBackFindings(
  draft: Draft,
  graph: Graph,
  flow: Flow,
  sinks: ReadonlyMap<string, SinkDescription>,
): Finding[] {
  const takenBackBy = takersBack(graph, flow)
  return draft.sinks.flatMap(({ id, from }): Finding[] => {
    const delivery = sinks.get(id)?.delivery
    if (delivery?.class !== 'convergent') return []
    return takenBackBy(from).map((aggregate) =>
      configError(
        `${JSON.stringify(aggregate)} takes results back when a session changes, and ${JSON.stringify(id)} writes rows before ` +
          'their checkpoint is published: what a checkpoint wrote that a kill ended would never be taken back',
        ['sinks', id],
        delivery.stronger ?? 'choose a sink that shows whole checkpoints',
      ),
    )
  })
}

/** The aggregates that take results back among what these ports show. */
function takersBack({ ports, transforms }: Graph, { aggregates }: Flow): (from: readonly string[]) => string[] {
  const byPort = new Map<string, readonly string[]>()
  const of = (name: string): readonly string[] => byPort.get(name) ?? byPort.get(ports.get(name)?.owner ?? '') ?? []
  const ofAll = (from: readonly string[]): string[] => [...new Set(from.flatMap(of))]
  for (const { id, from } of transforms) {
    const before = ofAll(from)
    byPort.set(lateOf(id), before)
    byPort.set(id, aggregates.get(id)?.retracts === true ? [...before, id] : before)
  }
  return ofAll
}
