import type { Draft } from './check-definition.ts'
import type { Flow } from './flow.ts'
import type { Graph } from './graph.ts'

/**
 * The columns of a source whose values anybody reads; `undefined` when that is all of them: a sink or a module takes its
 * rows as they are.
 */
export function columnsRead(source: string, draft: Draft, graph: Graph, flow: Flow): readonly string[] | undefined {
  if (draft.sinks.some((sink) => sink.from.includes(source))) return undefined
  const read = new Set<string>()
  for (const transform of graph.transforms) {
    if (!transform.from.includes(source)) continue
    if (['module', 'aggregate', 'deduplicate', 'lookup', 'explode', 'join'].includes(transform.kind)) return undefined
    for (const select of flow.selects.get(transform.id) ?? []) for (const name of select.reads) read.add(name)
  }
  const schema = draft.sources.find(({ id }) => id === source)?.schema
  return schema === undefined || schema.every(({ name }) => read.has(name)) ? undefined : [...read]
}
