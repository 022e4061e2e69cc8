/** What can be had at all: reading the topic and doing nothing, and sending bytes that were prepared before. */
import { middleRun, NO_START, type Measurement } from '../figures.ts'
import { kafkaSource, measureStart, runPipeline } from '../pipeline-runs.ts'
import { measureProgram } from '../measured-program.ts'
import { readingName, sendingName, type Report, type Settings } from '../results.ts'
import { ROW_BYTES } from '../rows.ts'
import { programPath, type TestBed } from '../test-bed.ts'

const READ_GOAL = 3.5e6
const JAVA_CLIENT = { name: 'Java client', rowsPerCpuSecond: 2.7e6 }

type Told = Pick<Measurement, 'wallSeconds' | 'cpuSeconds'> & { what?: string; rows?: number; peakRssBytes: number }

export async function readTopics(bed: TestBed, { repeat }: Settings, report: Report): Promise<void> {
  for (const codec of ['none', 'zstd'] as const) {
    const topic = await bed.topic(bed.rows, codec)
    const runs = new Map<string, Measurement[]>()
    for (let turn = 0; turn < repeat; turn++) {
      const args = [programPath('kafka-read.ts'), await bed.bootstrap(), topic, String(bed.rows)]
      for (const told of toldBy(await measureProgram(args, bed.directory))) {
        const name = told.what ?? ''
        runs.set(name, [...(runs.get(name) ?? []), measurement({ ...told, rows: bed.rows })])
      }
    }
    for (const [what, measured] of runs) {
      const run = middleRun(measured)
      const goal = what === 'values in lines' ? { goal: READ_GOAL, against: JAVA_CLIENT } : {}
      const name = readingName(codec, what)
      if (run !== undefined) report({ kind: 'throughput', case: 1, name, run, start: NO_START, ...goal })
    }
  }
  await readThroughEngine(bed, repeat, report)
}

async function readThroughEngine(bed: TestBed, repeat: number, report: Report): Promise<void> {
  const sink = { connector: 'blackhole' }
  const empty = await kafkaSource(bed, await bed.topic(0))
  const start = await measureStart(bed, async () => ({ source: empty, sink }))
  for (const codec of ['none', 'zstd'] as const) {
    const source = await kafkaSource(bed, await bed.topic(bed.rows, codec))
    const runs: Measurement[] = []
    for (let turn = 0; turn < repeat; turn++) runs.push(await runPipeline(bed, { source, sink }, bed.rows))
    const run = middleRun(runs)
    const name = `whole engine, Kafka (${codec}) → blackhole`
    if (run !== undefined) report({ kind: 'throughput', case: 1, name, run, start })
  }
}

export async function sendPrepared(bed: TestBed, { repeat }: Settings, report: Report): Promise<void> {
  for (const kind of ['starrocks', 'doris'] as const) {
    const { urls, backends } = await bed.store(kind)
    const args = [programPath('send-prepared.ts'), kind, JSON.stringify({ urls, backends }), String(bed.rows)]
    const runs: Measurement[] = []
    for (let turn = 0; turn < repeat; turn++)
      runs.push(...toldBy(await measureProgram(args, bed.directory)).map(measurement))
    const run = middleRun(runs)
    const name = sendingName(kind)
    if (run !== undefined) report({ kind: 'throughput', case: 2, name, run, start: NO_START })
  }
}

function toldBy({ out }: { readonly out: string }): Told[] {
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Told)
}

function measurement({ rows = 0, wallSeconds, cpuSeconds, peakRssBytes }: Told): Measurement {
  return { rows, bytes: rows * (ROW_BYTES + 1), wallSeconds, cpuSeconds, peakRssBytes, handOverBytes: 0 }
}
