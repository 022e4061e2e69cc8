import { assert } from '../core/assert.ts'
import type { Edge, Step } from './plan.ts'

/**
 * The stage of every step: those in front of every exchange are in stage 0, and behind an exchange comes the next one. An
 * exchange itself belongs to the stage whose rows it takes. All inputs of a step lie in one stage, because a stage is cut
 * as a whole when the barriers of all lanes have come.
 */
export function stagesOf(steps: readonly Step[]): ReadonlyMap<string, number> {
  const stages = new Map<string, number>()
  for (const step of steps) {
    const stage = stages.get(step.id) ?? 0
    stages.set(step.id, stage)
    for (const { to } of edgesOf(step)) {
      const behind = step.kind === 'exchange' ? stage + 1 : stage
      assert((stages.get(to) ?? behind) === behind, `all inputs of ${to} lie in one stage`)
      stages.set(to, behind)
    }
  }
  return stages
}

/** Where the rows of a step go. */
export function edgesOf(step: Step): readonly Edge[] {
  if (step.kind === 'sink') return []
  if (step.kind === 'partial' || step.kind === 'intake' || step.kind === 'join-intake')
    return [...step.outputs, ...step.late]
  if (step.kind === 'join') return [...step.outputs, ...step.unmatchedLeft, ...step.unmatchedRight]
  return step.kind === 'query' ? step.outputs.flatMap((output) => output.edges) : step.outputs
}
