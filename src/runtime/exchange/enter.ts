import { assert } from '../../core/assert.ts'

/** Runs an action in a stage: one after the other, in the order of asking. */
export type Enter = (action: () => Promise<void>) => Promise<void>

/** Stands for the stage until an end of an exchange is connected to it. */
export async function notConnected(): Promise<never> {
  assert(false, 'an exchange is connected to its stages before rows come')
}
