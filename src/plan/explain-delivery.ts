import { DELIVERY_CLASSES, type Delivery, type DeliveryClass } from '../core/delivery.ts'
import type { PlannedPipeline } from './build-plan.ts'
import type { Step } from './plan.ts'

/** What the pipeline promises, part by part, and what would make it promise more. */
export interface DeliveryExplanation {
  readonly name: string
  readonly class: DeliveryClass
  readonly reason: string
  readonly parts: readonly ExplainedPart[]
  /** The parts that keep the class from being a stronger one; none when it is the strongest. */
  readonly weakest: readonly string[]
}

export interface ExplainedPart {
  readonly part: string
  /** `pipeline`: what all sinks do together. */
  readonly kind: Step['kind'] | 'pipeline'
  readonly class: DeliveryClass
  readonly reason: string
  readonly isWeakest: boolean
  /** What it stands on, accepted by name in the pipeline file. */
  readonly assumptions: readonly string[]
  /** What to change to get more; `null` where nothing is to be had. */
  readonly stronger: string | null
}

export function explainDelivery({ plan, deliveryParts }: PlannedPipeline): DeliveryExplanation {
  const [strongest] = DELIVERY_CLASSES
  const explained = (part: string, kind: ExplainedPart['kind'], delivery: Delivery): ExplainedPart => ({
    part,
    kind,
    class: delivery.class,
    reason: delivery.reason,
    isWeakest: delivery.class === plan.delivery.class && delivery.class !== strongest,
    assumptions: delivery.assumptions,
    stronger: delivery.stronger ?? null,
  })
  const ofSteps = plan.steps.map((step) => explained(step.id, step.kind, deliveryOf(step)))
  const ids = new Set(plan.steps.map(({ id }) => id))
  const ofAll = deliveryParts.filter(({ part }) => !ids.has(part))
  const parts = [...ofSteps, ...ofAll.map(({ part, delivery }) => explained(part, 'pipeline', delivery))]
  return {
    name: plan.name,
    class: plan.delivery.class,
    reason: plan.delivery.reason,
    parts,
    weakest: parts.filter(({ isWeakest }) => isWeakest).map(({ part }) => part),
  }
}

/**
 * Rows that are read again take the same way through the steps between sources and sinks again, and of the first time
 * nothing is visible. What a step keeps is as old as the positions of its sources: both are in the same checkpoint. So
 * they never weaken a promise.
 */
function deliveryOf(step: Step): Delivery {
  switch (step.kind) {
    case 'source':
    case 'sink':
      return step.delivery
    case 'letters':
      return atomic('bad records are put aside in the checkpoint that passes them by')
    case 'query':
      return atomic('row by row, without state: what is read again is computed again')
    case 'explode':
      return atomic('row by row, without state: what is read again is taken apart again')
    case 'module':
      return atomic('its rows count once; what else the functions do may be done again after a restart')
    case 'lookup':
      if (step.onDemand !== undefined) {
        return atomic(
          'each row is completed once, by an answer of its time or of the cache; what is read again after a restart may be ' +
            'completed otherwise, and of the first time nothing is visible',
        )
      }
      return atomic(
        'each row is completed once by a table that counts from one checkpoint to another; what is read again after a ' +
          'restart is completed by the table of then, and of the first time nothing is visible',
      )
    case 'partial':
      return atomic('gathers each batch by itself, without state')
    case 'intake':
    case 'join-intake':
      return atomic('takes late rows out of each batch, without state')
    case 'aggregate':
    case 'deduplicate':
    case 'join':
      return atomic(
        'its state belongs to the checkpoint: a restart goes on from what was published, and counts nothing twice',
      )
    case 'exchange':
      return atomic('a barrier passes when those of all lanes have come')
  }
}

function atomic(reason: string): Delivery {
  return { class: 'atomic', reason, assumptions: [] }
}
