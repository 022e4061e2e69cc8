import { mutate } from './mutate.ts'

// Started for each mutant: `node hunt.ts <mutant> <seeds>`. Prints the seed that found it, or nothing; exit code 0 when found.
const [name = '', seeds = '1'] = process.argv.slice(2)
mutate(name)
const { scheduleOf, simulate } = await import('../../src/testkit/simulator/simulate.ts')
for (let seed = 1; seed <= Number(seeds); seed++) {
  const { violations } = await simulate(scheduleOf(seed, 25))
  const [first] = violations
  if (first === undefined) continue
  process.stdout.write(`${JSON.stringify({ seed, violation: first })}\n`)
  process.exit(0)
}
process.exit(1)
