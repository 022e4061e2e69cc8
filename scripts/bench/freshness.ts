/** How long after its commit a row can be seen in the store, while rows come at a steady rate. */
import { setTimeout as pause } from 'node:timers/promises'
import { storeSink, writePipeline, type Pipeline } from './pipeline-runs.ts'
import type { Report } from './results.ts'
import { countOf, RunningJob } from './running-job.ts'
import type { TestBed } from './test-bed.ts'

const INTERVAL_SECONDS = 1
const TURN_MS = 100
const LOOK_MS = 20

export interface FreshnessOf {
  readonly case: number
  readonly name: string
  readonly source: Pipeline['source']
  readonly rowsPerSecond: number
  readonly seconds: number
  /** Commits so many rows behind those that are there. */
  readonly insert: (from: number, rows: number) => Promise<void>
}

interface Commit {
  readonly rows: number
  readonly at: number
}

export async function measureFreshness(bed: TestBed, report: Report, what: FreshnessOf): Promise<void> {
  const { name, source, rowsPerSecond, seconds } = what
  const store = await bed.store('starrocks')
  const target = bed.freshName('t')
  const directory = bed.freshDirectory()
  const pipeline = { source, sink: storeSink(store, target), hasOwnSchema: true, interval: `${INTERVAL_SECONDS}s` }
  await using job = new RunningJob(directory, writePipeline(directory, pipeline))
  await job.until(() => job.hasTold('started'))
  const commits: Commit[] = []
  const writing = write(what, commits)
  const lags: number[] = []
  const total = Math.round((rowsPerSecond * TURN_MS) / 1000) * Math.round((seconds * 1000) / TURN_MS)
  await job.until(async () => {
    const visible = await countOf(store, target)
    const now = performance.now()
    while (commits[lags.length] !== undefined && (commits[lags.length]?.rows ?? 0) <= visible) {
      lags.push((now - (commits[lags.length]?.at ?? now)) / 1000)
    }
    await pause(LOOK_MS)
    return visible >= total
  })
  await writing
  lags.sort((a, b) => a - b)
  const written = ((commits.at(-1)?.at ?? 0) - (commits[0]?.at ?? 0)) / 1000
  const detail = `${lags.length} transactions in ${written.toFixed(0)} s, ${Math.round(total / written / 1000)} k rows/s, a checkpoint every ${INTERVAL_SECONDS} s`
  for (const [share, goal] of [
    [0.5, INTERVAL_SECONDS],
    [0.99, 2 * INTERVAL_SECONDS],
  ] as const) {
    const value = lags[Math.min(lags.length - 1, Math.floor(lags.length * share))] ?? Number.NaN
    report({
      kind: 'figure',
      case: what.case,
      name: `${name}: ${100 * share} % are visible in`,
      value,
      unit: 's',
      goal,
      detail,
    })
  }
}

/** One transaction each turn; a turn that comes late is made up for. */
async function write({ rowsPerSecond, seconds, insert }: FreshnessOf, commits: Commit[]): Promise<void> {
  const rows = Math.round((rowsPerSecond * TURN_MS) / 1000)
  const began = performance.now()
  for (let turn = 0; turn < Math.round((seconds * 1000) / TURN_MS); turn++) {
    await pause(Math.max(0, began + turn * TURN_MS - performance.now()))
    await insert(turn * rows, rows)
    commits.push({ rows: (turn + 1) * rows, at: performance.now() })
  }
}
