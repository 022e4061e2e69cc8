/** One bad record in a hundred, put aside, against the same pipeline over good records. */
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { median } from '../figures.ts'
import { measureStart, runPipeline, storeSink, type Pipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import type { TestBed } from '../test-bed.ts'

const PAIRS = 5
const BAD_EVERY = 100
/** Then it has 70 % of the rows per CPU-second. */
const GOAL_PERCENT = 43

export async function putPoisonAside(bed: TestBed, _: Settings, report: Report): Promise<void> {
  const clean = await bed.file(bed.rows)
  const poisoned = await withPoison(clean, path.join(bed.freshDirectory(), 'poisoned.ndjson'))
  const store = await bed.store('starrocks')
  const make = (file: string): Pipeline => ({
    source: { connector: 'file', path: file, format: 'json' },
    sink: storeSink(store, bed.freshName('t')),
    hasQuery: true,
    hasDeadLetters: true,
  })
  const empty = await bed.file(0)
  const start = await measureStart(bed, async () => make(empty))
  const pairs: [number, number][] = []
  for (let pair = 0; pair < PAIRS; pair++) {
    // Which one goes first changes, so that a machine that grows slower or faster favours neither.
    const order = pair % 2 === 0 ? [clean, poisoned] : [poisoned, clean]
    const seconds = new Map<string, number>()
    for (const file of order) seconds.set(file, (await runPipeline(bed, make(file), bed.rows)).cpuSeconds)
    const own = (file: string): number => (seconds.get(file) ?? 0) - start.cpuSeconds
    pairs.push([own(clean), own(poisoned)])
  }
  const extra = median(pairs.map(([good, bad]) => 100 * (bad / good - 1)))
  report({
    kind: 'figure',
    case: 19,
    name: `1 bad record in ${BAD_EVERY}, put aside`,
    value: extra,
    unit: '%',
    detail: `more CPU-seconds than without one, median of ${PAIRS} pairs; ${(10_000 / (100 + extra)).toFixed(0)} % of the rows per CPU-second`,
    goal: GOAL_PERCENT,
  })
}

/** The same file with every hundredth record cut short. */
async function withPoison(from: string, to: string): Promise<string> {
  const out = createWriteStream(to)
  let row = 0
  for await (const line of createInterface(createReadStream(from))) {
    const text = ++row % BAD_EVERY === 0 ? line.slice(0, -1) : line
    if (!out.write(`${text}\n`)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'finish')
  return to
}
