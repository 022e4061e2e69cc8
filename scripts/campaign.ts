/**
 * `npm run campaign -- --cycles 200`: starts the real program again and again, kills it at protocol steps and at random
 * times, lets it sleep beside a twin, and audits what readers see after every cycle. Several jobs, each to a sink of its
 * own, are under way at once. Writes a report.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { isOnS3, SINK_KINDS, type SinkKind } from '../test/e2e/kit/cells.ts'
import { Broker } from '../test/e2e/kit/topic.ts'
import { textOf } from './campaign/cycle.ts'
import { liveThrough, type JobOfCampaign } from './campaign/job-life.ts'
import { boundOf, count, markdown, type CampaignReport, type Failure } from './campaign/report.ts'
import { databaseVariable, useDatabase } from './services/databases.ts'
import { startS3 } from './services/s3.ts'
import { repository } from './testing/stage.ts'

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200' },
    sinks: { type: 'string', default: SINK_KINDS.join() },
    seed: { type: 'string' },
    jobs: { type: 'string', default: '3' },
    report: { type: 'string', default: 'campaign-report' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(
    'npm run campaign -- [--cycles 200] [--sinks starrocks,doris,…] [--seed n] [--jobs 3] [--report path]\n' +
      `sinks: ${SINK_KINDS.join(' ')}\n` +
      'One job alone: --jobs 1 --sinks <its sink> --seed <its seed> --cycles <its cycles>.\n',
  )
  process.exit(0)
}

/** Cycles of one job before it is audited to the end and replaced: old rows are audited after every cycle. */
const CYCLES_PER_JOB = 25

const began = performance.now()
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
const jobs = jobsOf(values.sinks.split(',') as SinkKind[], Number(values.cycles))
const waiting = [...jobs]
const failures: Failure[] = []
const bySink: Record<string, number> = {}
const byCycle: Record<string, number> = {}
let [cycles, rows] = [0, 0]

/** Every sink has its turn, and all jobs about as many cycles. */
function jobsOf(sinks: readonly SinkKind[], wanted: number): JobOfCampaign[] {
  const number = Math.max(Math.min(sinks.length, wanted), Math.ceil(wanted / CYCLES_PER_JOB))
  return Array.from({ length: number }, (_, at) => ({
    sink: sinks[at % sinks.length] ?? 'files',
    seed: seed + at,
    cycles: Math.floor(((at + 1) * wanted) / number) - Math.floor((at * wanted) / number),
  }))
}

async function playJob(broker: Broker, job: JobOfCampaign): Promise<void> {
  const { rows: ofJob, failed } = await liveThrough(broker, job, (cycle, isHurt) => {
    cycles += 1
    count(bySink, job.sink)
    count(byCycle, isHurt ? cycle.what : 'ended before it could be hurt')
    progress()
  })
  rows += ofJob
  if (failed === undefined) return
  const { after, error } = failed
  const cycle = after === undefined ? 'when it began' : textOf(after)
  failures.push({ ...job, cycle, message: error.message.split('\n').slice(0, 3).join(' ') })
  process.stdout.write(
    `\n✖ ${job.sink}, ${cycle} (--sinks ${job.sink} --seed ${job.seed} --cycles ${job.cycles}):\n${error.message}\n`,
  )
}

function progress(): void {
  if (!process.stderr.isTTY) return
  const rate = (cycles / (performance.now() - began)) * 1000
  process.stderr.write(`\r${cycles} of ${values.cycles} cycles, ${failures.length} failed, ${rate.toFixed(1)}/s `)
}

/** The servers that jobs share, unless the environment names them. */
async function shareServers(stack: AsyncDisposableStack): Promise<Broker> {
  const sinks = jobs.map(({ sink }) => sink)
  if (sinks.some(isOnS3) && process.env['MILLRACE_S3'] === undefined) {
    const s3 = await startS3()
    stack.defer(() => s3.stop())
    process.env['MILLRACE_S3'] = s3.endpoint
  }
  for (const name of ['mariadb', 'postgres'] as const) {
    if (sinks.includes(name)) process.env[databaseVariable(name)] = stack.use(await useDatabase(name)).url
  }
  return stack.use(await Broker.open())
}

await using stack = new AsyncDisposableStack()
const broker = await shareServers(stack)
await Promise.all(
  Array.from({ length: Number(values.jobs) }, async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await playJob(broker, job)
  }),
)

const report: CampaignReport = {
  seed,
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
