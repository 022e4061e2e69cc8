import type { Draft } from './check-definition.ts'
import type { Flow } from './flow.ts'
import type { Graph } from './graph.ts'
import type { CheckedSelect } from './queries.ts'

/**
 * The columns of a source whose values anybody reads; `undefined` when that is all of them: a sink or a module takes its
 * rows as they are.
 */
export function columnsRead(source: string, draft: Draft, graph: Graph, flow: Flow): readonly string[] | undefined {
  const selects = selectsOver(source, draft, graph, flow)
  if (selects === undefined) return undefined
  const read = new Set(selects.flatMap(({ reads }) => reads))
  const schema = draft.sources.find(({ id }) => id === source)?.schema
  return schema === undefined || schema.every(({ name }) => read.has(name)) ? undefined : [...read]
}

/**
 * A condition that holds for every row of a source that anybody keeps: the comparisons in the WHERE of the one SELECT that
 * reads it, or of any of several. `undefined` when all rows are wanted, as far as one can tell.
 */
export function rowsKept(source: string, draft: Draft, graph: Graph, flow: Flow): string | undefined {
  const selects = selectsOver(source, draft, graph, flow) ?? []
  const [first, ...others] = new Set(selects.map(({ keeps }) => keeps.join(' AND ')))
  if (first === undefined || selects.some(({ keeps }) => keeps.length === 0)) return undefined
  return others.length === 0 ? first : [first, ...others].map((one) => `(${one})`).join(' OR ')
}

/** The statements that read a source, when nobody else does. */
function selectsOver(
  source: string,
  draft: Draft,
  graph: Graph,
  flow: Flow,
): readonly Pick<CheckedSelect, 'reads' | 'keeps'>[] | undefined {
  if (draft.sinks.some((sink) => sink.from.includes(source))) return undefined
  const readers = graph.transforms.filter(({ from }) => from.includes(source))
  if (readers.some(({ kind }) => !isRowWise(kind))) return undefined
  return readers.flatMap(({ id }) => flow.selects.get(id) ?? [])
}

function isRowWise(kind: string): boolean {
  return !['module', 'aggregate', 'deduplicate', 'lookup', 'explode', 'join'].includes(kind)
}
