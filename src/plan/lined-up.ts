import type { Step } from './plan.ts'
import { edgesOf } from './stages.ts'

/**
 * Steps whose rows are the records of a source, one by one and in their order, less those that were taken out on the way:
 * by id, with the step in front that may have taken some out. A bad row there is a record whose bytes are at hand.
 */
export function linedUpSteps(steps: readonly Step[]): ReadonlyMap<string, string | undefined> {
  const lined = new Map<string, string | undefined>()
  const givers = new Map<string, Step[]>()
  for (const step of steps) {
    for (const { to } of edgesOf(step)) givers.set(to, [...(givers.get(to) ?? []), step])
  }
  // Steps stand in the order of the flow.
  for (const { id, kind } of steps) {
    const from = givers.get(id) ?? []
    if (kind !== 'query' && kind !== 'module') continue
    if (from.length > 0 && from.every((giver) => giver.kind === 'source')) lined.set(id, undefined)
    const [only] = from
    const isConverted = from.length === 1 && only?.kind === 'query' && only.selects.length === 0 && lined.has(only.id)
    if (isConverted) lined.set(id, only.id)
  }
  return lined
}
