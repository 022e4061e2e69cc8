/**
 * `npm run campaign -- --cycles 200`: starts the real program again and again, kills it at protocol steps and at random
 * times, lets it sleep beside a twin, and audits what readers see after every cycle. Writes a report.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { SinkKind } from '../test/e2e/kit/cells.ts'
import { Chance } from '../test/e2e/kit/chance.ts'
import { settle } from '../test/e2e/kit/kills.ts'
import { Broker } from '../test/e2e/kit/topic.ts'
import { World } from '../test/e2e/kit/world.ts'
import { playCycle, type Cycle } from './campaign/cycle.ts'
import { boundOf, count, markdown, textOf, type CampaignReport, type Failure } from './campaign/report.ts'
import { repository } from './testing/stage.ts'

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200' },
    sinks: { type: 'string', default: 'starrocks,doris,hudi,files' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    report: { type: 'string', default: 'campaign-report' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(
    'npm run campaign -- [--cycles 200] [--sinks starrocks,doris,hudi,files,hudi-s3] [--seed n] [--jobs 2] [--report path]\n',
  )
  process.exit(0)
}

/** Cycles of one job before it is settled, audited to the end and replaced: old rows are audited after every cycle. */
const CYCLES_PER_JOB = 25
const ROWS = 300

const sinks = values.sinks.split(',') as SinkKind[]
const wanted = Number(values.cycles)
const chance = new Chance(values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed))
const failures: Failure[] = []
const bySink: Record<string, number> = {}
const byCycle: Record<string, number> = {}
let [cycles, rows, turn] = [0, 0, 0]
const began = performance.now()

/** One job's life. */
async function playJob(broker: Broker, sink: SinkKind): Promise<void> {
  let last: Cycle | undefined
  try {
    await using world = await World.create({ broker, sink, rows: ROWS })
    await settle(world)
    for (let played = 0; played < CYCLES_PER_JOB && cycles < wanted; played++) {
      cycles += 1
      last = await playCycle(world, chance)
      await world.auditVisible()
      count(bySink, sink)
      count(byCycle, last.what)
      progress()
    }
    last = undefined
    await settle(world)
    rows += world.topic.rows
  } catch (error) {
    const message = (error as Error).message.split('\n').slice(0, 3).join(' ')
    failures.push({ sink, cycle: last === undefined ? 'while it settled' : textOf(last), message })
    process.stdout.write(`\n✖ ${sink}: ${message}\n`)
  }
}

function progress(): void {
  const seconds = (performance.now() - began) / 1000
  if (process.stderr.isTTY) {
    process.stderr.write(
      `\r${cycles} of ${wanted} cycles, ${failures.length} failed, ${(cycles / seconds).toFixed(1)}/s `,
    )
  }
}

await using broker = await Broker.open()
await Promise.all(
  Array.from({ length: Number(values.jobs) }, async () => {
    while (cycles < wanted) {
      const sink = sinks[turn++ % sinks.length]
      if (sink !== undefined) await playJob(broker, sink)
    }
  }),
)

const report: CampaignReport = {
  seed: chance.seed,
  revision: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: repository, encoding: 'utf8' }).trim(),
  node: process.version,
  seconds: (performance.now() - began) / 1000,
  cycles,
  rows,
  bySink,
  byCycle,
  failures,
  bound95: boundOf(failures.length, cycles),
}
const file = path.resolve(values.report)
writeFileSync(`${file}.json`, `${JSON.stringify(report, undefined, 2)}\n`)
writeFileSync(`${file}.md`, markdown(report))
process.stdout.write(`\n${markdown(report)}\nwritten to ${file}.md and ${file}.json\n`)
process.exitCode = failures.length === 0 ? 0 : 1
