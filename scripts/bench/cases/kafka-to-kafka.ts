/** A topic into a topic, in transactions; beside it a loop that copies batches as they are. */
import { middleRun, NO_START, type Measurement } from '../figures.ts'
import { kafkaSource, measureStart, runPipeline, type Pipeline } from '../pipeline-runs.ts'
import { measureProgram } from '../measured-program.ts'
import type { Report, Settings } from '../results.ts'
import { ROW_BYTES } from '../rows.ts'
import { programPath, type TestBed } from '../test-bed.ts'

const COPYING = 'copy loop, batches as they are'
const GOAL = 1e6

type Told = Pick<Measurement, 'wallSeconds' | 'cpuSeconds'> & { peakRssBytes: number }

export async function kafkaToKafka(bed: TestBed, settings: Settings, report: Report): Promise<void> {
  await copyLoop(bed, settings, report)
  await measure(bed, settings, report, 'Kafka → Kafka, parallelism 1', { parallelism: 1 })
  await measure(bed, settings, report, 'Kafka → Kafka, parallelism 2', { parallelism: 2 })
  await measure(bed, settings, report, 'Kafka → Kafka, at least once', { delivery: 'at-least-once' })
  await measure(bed, settings, report, 'Kafka → SQL → Kafka with keys', { hasQuery: true }, { key: 'user_id' })
}

async function copyLoop(bed: TestBed, { repeat }: Settings, report: Report): Promise<void> {
  const runs: Measurement[] = []
  for (let turn = 0; turn < repeat; turn++) {
    const args = [await bed.bootstrap(), await bed.topic(), await bed.emptyTopic(), String(bed.rows)]
    const { out } = await measureProgram([programPath('kafka-copy.ts'), ...args], bed.directory)
    const { wallSeconds, cpuSeconds, peakRssBytes } = JSON.parse(out) as Told
    const bytes = bed.rows * (ROW_BYTES + 1)
    runs.push({ rows: bed.rows, bytes, wallSeconds, cpuSeconds, peakRssBytes, handOverBytes: 0 })
  }
  const run = middleRun(runs)
  if (run !== undefined) report({ kind: 'throughput', case: 13, name: COPYING, run, start: NO_START })
}

async function measure(
  bed: TestBed,
  { repeat }: Settings,
  report: Report,
  name: string,
  how: Pick<Pipeline, 'parallelism' | 'delivery' | 'hasQuery'>,
  options: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const pipeline = async (rows: number): Promise<Pipeline> => {
    const sink = { connector: 'kafka', brokers: await bed.bootstrap(), topic: await bed.emptyTopic(), ...options }
    return { source: await kafkaSource(bed, await bed.topic(rows)), sink, ...how }
  }
  const start = await measureStart(bed, () => pipeline(0))
  const runs: Measurement[] = []
  for (let turn = 0; turn < repeat; turn++) runs.push(await runPipeline(bed, await pipeline(bed.rows), bed.rows))
  const run = middleRun(runs)
  const limits = how.hasQuery === true ? [] : [COPYING]
  if (run !== undefined) report({ kind: 'throughput', case: 13, name, run, start, goal: GOAL, limits })
}
