import type { Finding } from '../../../core/checkpoint-types.ts'
import type { Routing, SinkAsk } from '../../../core/connector.ts'
import { writersOf, type LoadSinkOptions } from './load-options.ts'

/** How the rows of one key keep their order in a table that keeps only the last of them. */
export interface KeyOrder {
  /** What the user has accepted, and what is therefore not worked for. */
  readonly assumptions: readonly string[]
  /** With several writers: all rows of a key go through one of them. */
  readonly routing?: Routing
  /** What to add to the reason of the sink's promise; empty when there is nothing to say. */
  readonly note: string
  readonly findings: readonly Finding[]
}

const ONE_SPLIT = 'one-split-per-key'

const BETWEEN_SPLITS = 'of rows of one key from several splits the last to arrive wins'

/**
 * Rows of one split arrive in their order, whatever the number of lanes. Between splits nobody knows an order; but the
 * rows of a key must not be in two transactions at a time, or an older one could become visible after a newer one.
 */
export function keyOrder(options: LoadSinkOptions, { lanes, schema, accepted = [] }: SinkAsk): KeyOrder {
  const { key } = options
  const findings = key === undefined || schema === undefined ? [] : key.flatMap((name) => keyFindings(name, schema))
  if (key === undefined || lanes === 1) return { assumptions: [], note: '', findings }
  if (accepted.includes(ONE_SPLIT)) return { assumptions: [ONE_SPLIT], note: '', findings }
  const note = `; ${BETWEEN_SPLITS}`
  if (writersOf(options, lanes) === 1) return { assumptions: [], note, findings }
  const why =
    `several writers, and the rows of a key must be in one transaction: ${BETWEEN_SPLITS}. ` +
    `If each key is in one split anyway, accept: [${ONE_SPLIT}] saves the exchange`
  const quoted = key.map((name) => `"${name.replaceAll('"', '""')}"`)
  return { assumptions: [], routing: { key: quoted, together: 'must', why }, note, findings }
}

function keyFindings(name: string, schema: NonNullable<SinkAsk['schema']>): Finding[] {
  const type = schema.find((column) => column.name === name)?.type
  const problem =
    type === undefined
      ? `there is no column ${name} to be a key`
      : /^(float|double|real)/i.test(type)
        ? `the key column ${name} is a floating-point number`
        : undefined
  if (problem === undefined) return []
  return [
    { severity: 'error', code: 'SCHEMA', message: problem, hint: 'name the key columns of the table', path: ['key'] },
  ]
}
