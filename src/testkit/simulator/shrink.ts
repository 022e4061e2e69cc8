import { simulate, type Outcome, type Schedule } from './simulate.ts'

/**
 * A schedule that still fails with as few faults as can be found by leaving out some of them: halves first, then single
 * ones.
 */
export async function shrink(failing: Schedule): Promise<Outcome> {
  let smallest = failing
  for (let size = Math.ceil(failing.faults.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < smallest.faults.length;) {
      const faults = [...smallest.faults.slice(0, at), ...smallest.faults.slice(at + size)]
      const candidate = { ...smallest, faults }
      if ((await simulate(candidate)).violations.length > 0) smallest = candidate
      else at += size
    }
  }
  return simulate(smallest, true)
}
