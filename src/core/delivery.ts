/** What may be promised, strongest first (docs/guarantees.md). */
export const DELIVERY_CLASSES = ['atomic', 'exact', 'convergent', 'at-least-once'] as const

/**
 * - `atomic`: readers see whole checkpoints only, each once;
 * - `exact`: every record's effect once; a checkpoint may become visible in pieces;
 * - `convergent`: after catching up the final row of each key is right;
 * - `at-least-once`: duplicates are possible.
 */
export type DeliveryClass = (typeof DELIVERY_CLASSES)[number]

/** The class of one source, step or sink, with the reason in a sentence and the assumptions it stands on. */
export interface Delivery {
  readonly class: DeliveryClass
  readonly reason: string
  /** Assumptions that the user has to accept by name (`accept: [...]`); the class is `conditional` on them. */
  readonly assumptions: readonly string[]
  /** What to change for a stronger promise, or one without the assumptions; absent: nothing that it knows of. */
  readonly stronger?: string
}

/** True when `is` promises at least what `wanted` promises. */
export function isAtLeast(is: DeliveryClass, wanted: DeliveryClass): boolean {
  return DELIVERY_CLASSES.indexOf(is) <= DELIVERY_CLASSES.indexOf(wanted)
}

/** The class of a path is that of its weakest link; all assumptions add up. */
export function weakest(parts: readonly Delivery[]): Delivery {
  let result: Delivery = { class: 'atomic', reason: 'nothing weakens it', assumptions: [] }
  for (const part of parts) if (!isAtLeast(part.class, result.class)) result = part
  return { ...result, assumptions: [...new Set(parts.flatMap((part) => part.assumptions))] }
}
