import { assert } from '../core/assert.ts'
import type { Step } from './plan.ts'
import { edgesOf } from './stages.ts'

/** Every step after those it reads from; otherwise as in the file. */
export function inFlowOrder(steps: readonly Step[]): Step[] {
  const waiting = new Map(steps.map((step) => [step.id, 0]))
  for (const step of steps) for (const { to } of edgesOf(step)) waiting.set(to, (waiting.get(to) ?? 0) + 1)
  const ordered: Step[] = []
  const open = [...steps]
  while (open.length > 0) {
    const index = open.findIndex((step) => waiting.get(step.id) === 0)
    const [step] = open.splice(index, 1)
    assert(index >= 0 && step !== undefined, 'the steps of a plan have an order')
    for (const { to } of edgesOf(step)) waiting.set(to, (waiting.get(to) ?? 1) - 1)
    ordered.push(step)
  }
  return ordered
}
