import { readFileSync } from 'node:fs'
import type { Schedule } from '../../src/testkit/simulator/simulate.ts'
import { mutate } from './mutate.ts'

// Started for each mutant: `node hunt.ts <mutant> <seeds>`. Plays the corpus, then random schedules; prints which one found it,
// or nothing. Exit code 0 when found.
const [name = '', seeds = '1'] = process.argv.slice(2)
mutate(name)
const { scheduleOf, simulate } = await import('../../src/testkit/simulator/simulate.ts')
const corpus = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8')) as readonly Schedule[]

function* schedules(): Iterable<readonly [string, Schedule]> {
  for (const [at, schedule] of corpus.entries()) yield [`corpus ${at + 1}`, schedule]
  for (let seed = 1; seed <= Number(seeds); seed++) yield [`seed ${seed}`, scheduleOf(seed, 25)]
}

for (const [where, schedule] of schedules()) {
  const [violation] = (await simulate(schedule)).violations
  if (violation === undefined) continue
  process.stdout.write(`${JSON.stringify({ where, violation })}\n`)
  process.exit(0)
}
process.exit(1)
