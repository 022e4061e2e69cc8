/**
 * `npm run simulate -- --seeds 2000 --seed 1`: plays schedules of faults against the real engine in virtual time. The
 * same seed plays the same schedule; one that fails is shrunk and told as a story.
 */
import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import { CELLS } from '../src/testkit/simulator/simulate.ts'
import { describeFault } from '../src/testkit/simulator/faults.ts'
import { shrink } from '../src/testkit/simulator/shrink.ts'
import type { Played } from './simulation/play.ts'
import { playAll } from './simulation/players.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    faults: { type: 'string', default: '25' },
    cells: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(
    [
      'npm run simulate -- [--seeds 2000] [--seed 1] [--faults 25]   random schedules from a seed on',
      'npm run simulate -- --cells                                   every protocol step × position × strike × sink family',
      '',
    ].join('\n'),
  )
  process.exit(0)
}

const STORY_LINES = 60
const kind = values.cells ? 'cells' : 'seeds'
const from = values.cells ? 0 : Number(values.seed)
const count = values.cells ? CELLS : Number(values.seeds)
const began = performance.now()
const hashes = new Map<number, string>()
const failed: Played[] = []
let [played, struck] = [0, 0]

await playAll({ kind, from, count, faults: Number(values.faults) }, (one) => {
  played += 1
  struck += one.struck
  hashes.set(one.schedule.seed, one.hash)
  if (one.violations.length > 0) failed.push(one)
  if (process.stderr.isTTY && played % 50 === 0) {
    process.stderr.write(`\r${played} of ${count} schedules, ${failed.length} failed `)
  }
})
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')

for (const { schedule, violations } of failed.slice(0, 3)) {
  process.stdout.write(`seed ${schedule.seed} (${schedule.family}): ${violations.join('; ')}\n`)
  const smallest = await shrink(schedule)
  process.stdout.write(`  ${smallest.schedule.faults.length} of ${schedule.faults.length} faults are enough:\n`)
  for (const fault of smallest.schedule.faults) process.stdout.write(`    ${describeFault(fault)}\n`)
  process.stdout.write(`  its last ${STORY_LINES} events:\n${smallest.story.slice(-STORY_LINES).join('\n')}\n\n`)
  process.stdout.write(`  for the corpus: ${JSON.stringify(smallest.schedule)}\n\n`)
}

const seconds = (performance.now() - began) / 1000
const trace = createHash('sha256')
for (const [seed, hash] of [...hashes].sort(([a], [b]) => a - b)) trace.update(`${seed}=${hash}\n`)
const perSchedule = (struck / Math.max(1, played)).toFixed(1)
process.stdout.write(
  `${played} schedules, ${struck} faults (${perSchedule} each), ${failed.length} failed, ` +
    `${Math.round((played / seconds) * 60)} a minute; trace ${trace.digest('hex').slice(0, 16)}\n`,
)
process.exitCode = failed.length === 0 && played === Math.max(0, count) ? 0 : 1
