/** How soon rows are visible after a start, and again after a kill. Rows are written to the topic all the time. */
import { availableParallelism } from 'node:os'
import { median } from '../figures.ts'
import { kafkaSource, storeSink, writePipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import { countOf, RunningJob } from '../running-job.ts'
import type { TestBed } from '../test-bed.ts'

const TIMES = 5
const ROWS_PER_SECOND = 20_000
const GOAL_SECONDS = 1
/** Checkpoints after which a job counts as running steadily. */
const STEADY = 3

export async function startAndKill(bed: TestBed, _: Settings, report: Report): Promise<void> {
  await using producer = await bed.growingTopic(ROWS_PER_SECOND)
  const store = await bed.store('starrocks')
  const starts: number[] = []
  const kills: number[] = []
  for (let time = 0; time < TIMES; time++) {
    const table = bed.freshName('t')
    const directory = bed.freshDirectory()
    const file = writePipeline(directory, {
      source: await kafkaSource(bed, producer.topic, 'never'),
      sink: storeSink(store, table),
      parallelism: availableParallelism(),
      interval: '1s',
    })
    const started = performance.now()
    await using job = new RunningJob(directory, file)
    await job.until(async () => (await countOf(store, table)) > 0)
    starts.push((performance.now() - started) / 1000)

    for (let steps = 0, last = 0; steps < STEADY; steps++)
      await job.until(async () => {
        const count = await countOf(store, table)
        const hasGrown = count > last
        last = count
        return hasGrown
      })
    const killed = performance.now()
    await job.kill()
    await using next = new RunningJob(directory, file)
    // What was published before the kill is committed before the job tells that it started: those rows are not new.
    await next.until(() => next.hasTold('started'))
    const before = await countOf(store, table)
    await next.until(async () => (await countOf(store, table)) > before)
    kills.push((performance.now() - killed) / 1000)
  }
  const result = (name: string, seconds: readonly number[]): void =>
    report({
      kind: 'figure',
      case: 7,
      name,
      value: median(seconds),
      unit: 's',
      goal: GOAL_SECONDS,
      detail: `${TIMES} times: ${seconds.map((one) => one.toFixed(2)).join(', ')}`,
    })
  result('cold start to the first visible row', starts)
  result('kill -9 to the first new committed row', kills)
}
