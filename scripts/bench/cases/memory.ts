/** Whether memory stays flat at full speed. */
import { availableParallelism } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { slope } from '../figures.ts'
import { memoryOf } from '../measured-program.ts'
import { kafkaSource, storeSink, writePipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import { countOf, RunningJob } from '../running-job.ts'
import type { TestBed } from '../test-bed.ts'

const SAMPLE_SECONDS = 5
/** The heap finds its size in this time; the slope is taken of what comes after. */
const WARM_UP_SECONDS = 20
const MEMORY_GOAL_MB = 256

export async function watchMemory(bed: TestBed, { minutes }: Settings, report: Report): Promise<void> {
  await using producer = await bed.growingTopic(0)
  const store = await bed.store('starrocks')
  const table = bed.freshName('t')
  const directory = bed.freshDirectory()
  const file = writePipeline(directory, {
    source: await kafkaSource(bed, producer.topic, 'never'),
    sink: storeSink(store, table),
    parallelism: availableParallelism(),
    interval: '1s',
  })
  await using job = new RunningJob(directory, file)
  await job.until(async () => (await countOf(store, table)) > 0)
  const started = performance.now()
  const samples: [minute: number, megabytes: number][] = []
  while (performance.now() - started < minutes * 60_000) {
    await pause(SAMPLE_SECONDS * 1000)
    const seen = memoryOf(job.pid)
    if (seen === undefined) throw new Error('the job ended, or this system has no /proc to look at its memory')
    samples.push([(performance.now() - started) / 60_000, (seen.rssBytes + seen.handOverBytes) / 1e6])
  }
  const rows = await countOf(store, table)
  const seconds = (performance.now() - started) / 1000
  const warm = samples.filter(([minute]) => minute * 60 > WARM_UP_SECONDS)
  const sizes = warm.map(([, size]) => size)
  const detail = `${warm.length} samples from ${Math.min(...sizes).toFixed(0)} to ${Math.max(...sizes).toFixed(0)} MB, ${(rows / seconds / 1e6).toFixed(2)} M rows/s for ${minutes} min`
  const common = { kind: 'figure', case: 8, detail } as const
  report({ ...common, name: 'growth of memory', value: slope(warm), unit: 'MB/min' })
  report({ ...common, name: 'most memory', value: Math.max(...sizes), unit: 'MB', goal: MEMORY_GOAL_MB })
}
