import type { DeliveryExplanation, ExplainedPart } from '../plan/explain-delivery.ts'
import { tableText } from './table.ts'
import { paint, singleLine } from './terminal.ts'

/** The promise as a table with a line for each part, the weakest links marked. */
export function deliveryText(explanation: DeliveryExplanation): string {
  const { name, class: is, reason, parts, weakest } = explanation
  const table = parts.map((one) => [
    one.isWeakest ? '*' : '',
    one.part,
    one.kind,
    one.assumptions.length === 0 ? one.class : `${one.class}, conditional`,
    one.reason,
  ])
  const links = weakest.length === 0 ? 'Nothing weakens it.' : `Weakest: ${weakest.join(', ')}.`
  return [
    `${paint('bold', `pipeline ${singleLine(name)}: ${is}`)}, ${singleLine(reason)}\n\n`,
    tableText([['', 'part', 'kind', 'class', 'why'], ...table]),
    `\n${singleLine(links)}\n`,
    ...parts.flatMap(adviceLines).map((line) => `  ${singleLine(line)}\n`),
  ].join('')
}

function adviceLines({ part, isWeakest, assumptions, stronger }: ExplainedPart): string[] {
  const conditions = assumptions.map((name) => `${part} stands on "${name}", which the pipeline accepts`)
  if (!isWeakest && assumptions.length === 0) return conditions
  return [...conditions, `to get more from ${part}: ${stronger ?? 'it has nothing stronger to offer'}`]
}
