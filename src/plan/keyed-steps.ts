import type { Routing } from '../core/connector.ts'
import type { AggregateWork } from '../dataplane/aggregate-work.ts'
import { innerColumns } from '../dataplane/aggregate-work.ts'
import { quoteName } from '../dataplane/sql-text.ts'
import type { EdgeNote } from './assemble.ts'
import { formatBody } from './bodies.ts'
import { TABLE } from './exchange-steps.ts'
import { lateOf } from './graph.ts'
import type { AggregateStep, Edge, ExchangeStep, PartialStep } from './plan.ts'

/** Makes the steps, given who reads each of their ports. */
export type KeyedSteps = (
  readers: (port: string) => readonly Edge[],
) => readonly (PartialStep | AggregateStep | ExchangeStep)[]

/** An aggregate as steps: gathered where the rows are read, brought together by key, kept there. */
export function keyedSteps(
  work: AggregateWork,
  sources: readonly string[],
  lanes: number,
): { readonly first: string; readonly notes: readonly EdgeNote[]; readonly steps: KeyedSteps } {
  const { id } = work
  const first = `${id}.partial`
  const exchange = `${id}.exchange`
  const note = (from: string, to: string, why: string): EdgeNote => ({
    from,
    rows: from,
    to,
    body: formatBody(TABLE),
    why,
  })
  const routing: Routing = {
    key: work.groupBy.map(quoteName),
    together: 'must',
    why: 'the lane of a key keeps its results',
  }
  const isExchanged = lanes > 1
  const notes = isExchanged
    ? [note(first, exchange, 'partial results'), note(exchange, id, 'partial results of all lanes')]
    : [note(first, id, 'partial results')]
  const steps: KeyedSteps = (readers) => {
    const outputs = [{ to: isExchanged ? exchange : id }]
    const partial: PartialStep = { kind: 'partial', id: first, work, sources, outputs, late: readers(lateOf(id)) }
    const aggregate: AggregateStep = { kind: 'aggregate', id, work, outputs: readers(id) }
    if (!isExchanged) return [partial, aggregate]
    const inner = innerColumns(work)
    return [partial, { kind: 'exchange', id: exchange, routing, schema: [], inner, outputs: [{ to: id }] }, aggregate]
  }
  return { first, notes, steps }
}
