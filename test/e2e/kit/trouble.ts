import type { Cell } from './cells.ts'
import type { World } from './world.ts'

/** Some steps are only taken when a commit goes wrong. Returns what mends it, where there is anything to mend. */
export async function makeTrouble(world: World, { name }: Cell): Promise<(() => Promise<void>) | undefined> {
  if (name === 'evidence') return await world.target.troubleCommits?.('garbled')
  if (name === 'decision.apply') return await world.target.troubleCommits?.('expired')
  return undefined
}
