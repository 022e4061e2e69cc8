import type { TestContext } from 'node:test'

/** Numbers from 0 up to 1, of the seed `MILLRACE_SEED` or one that the test tells, so that what failed can be played again. */
export function seeded(t: TestContext): () => number {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 1e9))
  t.diagnostic(`MILLRACE_SEED=${seed}`)
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return state / 4_294_967_296
  }
}
