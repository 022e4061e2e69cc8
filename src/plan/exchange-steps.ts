import type { BodyFormat } from '../core/batch.ts'
import type { Routing, SinkDescription } from '../core/connector.ts'
import type { Schema } from '../core/schema.ts'
import type { EdgeNote } from './assemble.ts'
import { formatBody, isSameBody } from './bodies.ts'
import type { ExchangeStep, QueryStep } from './plan.ts'

/** What an exchange takes and gives. */
export const TABLE: BodyFormat = { kind: 'table' }

/** How rows for this sink are shared out over the lanes; `undefined` when they stay where they are. */
export function routingOf(sink: SinkDescription | undefined, lanes: number): Routing | undefined {
  return lanes > 1 ? sink?.routing : undefined
}

/** An exchange in front of a sink, and the query step behind it where the sink takes no tables. */
export interface Exchanged {
  readonly exchange: ExchangeStep
  readonly steps: readonly (ExchangeStep | QueryStep)[]
  readonly notes: readonly EdgeNote[]
}

export function exchangeSteps(sink: string, routing: Routing, schema: Schema, takes: BodyFormat): Exchanged {
  const id = `${sink}.exchange`
  const note = (from: string, to: string, body: BodyFormat, why: string): EdgeNote => {
    return { from, rows: id, to, body: formatBody(body), why }
  }
  if (isSameBody(takes, TABLE)) {
    const exchange: ExchangeStep = { kind: 'exchange', id, routing, schema, outputs: [{ to: sink }] }
    return { exchange, steps: [exchange], notes: [note(id, sink, takes, 'taken as it is')] }
  }
  const encode: QueryStep = {
    kind: 'query',
    id: `${sink}.encode`,
    input: { format: TABLE, encoding: 'json', schema },
    metadata: [],
    relation: 'input',
    selects: [],
    outputs: [{ select: 'input', format: takes, schema, edges: [{ to: sink }] }],
  }
  const exchange: ExchangeStep = { kind: 'exchange', id, routing, schema, outputs: [{ to: encode.id }] }
  return {
    exchange,
    steps: [exchange, encode],
    notes: [
      note(id, encode.id, TABLE, 'encoded there'),
      note(encode.id, sink, takes, 'encoded behind the exchange, as the sink wants it'),
    ],
  }
}
