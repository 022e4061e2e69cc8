import type { Finding } from '../core/checkpoint-types.ts'
import { isAtLeast, weakest, type Delivery, type DeliveryClass } from '../core/delivery.ts'
import type { PipelineDefinition } from './definition.ts'
import { configError } from './parsed-file.ts'

/** The promise of one part of the pipeline, for `explain`. `part` is an id, or `pipeline` for what all sinks do together. */
export interface DeliveryPart {
  readonly part: string
  readonly delivery: Delivery
}

/** What the pipeline promises: its weakest part, compared with what was asked for. */
export function judgeDelivery(
  parts: readonly DeliveryPart[],
  definition: PipelineDefinition,
): { readonly delivery: Delivery; readonly findings: readonly Finding[] } {
  const delivery = weakest(parts.map((one) => one.delivery))
  const findings: Finding[] = []
  const asked: DeliveryClass = definition.delivery === 'exactly-once' ? 'exact' : definition.delivery
  if (!isAtLeast(delivery.class, asked)) {
    for (const { part, delivery: own } of parts.filter((one) => !isAtLeast(one.delivery.class, asked))) {
      const message = `${part} promises only ${own.class} (${own.reason}), and the pipeline asks for ${definition.delivery}`
      findings.push(
        configError(
          message,
          ['delivery'],
          `${own.stronger ?? `change ${part}`}, or ask for less: delivery: ${delivery.class}`,
        ),
      )
    }
  }
  const accepted = definition.accept ?? []
  for (const assumption of delivery.assumptions.filter((one) => !accepted.includes(one))) {
    const owner = parts.find((one) => one.delivery.assumptions.includes(assumption))?.part ?? 'the pipeline'
    const message = `${owner} keeps its promise only if "${assumption}" holds`
    findings.push(configError(message, ['accept'], `if it does, accept it by name: accept: [${assumption}]`))
  }
  for (const stale of accepted.filter((one) => !delivery.assumptions.includes(one))) {
    findings.push({ ...configError(`nothing here assumes "${stale}"`, ['accept'], 'remove it'), severity: 'warning' })
  }
  return { delivery, findings }
}

/** Several sinks commit a checkpoint one after the other, so that a reader of both may see it in pieces. */
export function severalSinks(count: number): DeliveryPart[] {
  if (count < 2) return []
  const reason = `${count} sinks commit a checkpoint one after the other`
  const stronger = 'give each sink a pipeline of its own'
  return [{ part: 'pipeline', delivery: { class: 'exact', reason, assumptions: [], stronger } }]
}
