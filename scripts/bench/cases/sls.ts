/** The emulated log service: decoding alone, and whole pipelines. Answers are compressed once and kept by the emulator. */
import path from 'node:path'
import { middleRun, NO_START, type Measurement } from '../figures.ts'
import { LogService } from '../log-service.ts'
import { measureProgram } from '../measured-program.ts'
import { measureStart, runPipeline, storeSink, type Pipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import { programPath, type TestBed } from '../test-bed.ts'

const DECODE_BYTES_GOAL = 250e6
const HUDI_GOAL = 0.6e6
const MEMORY_PASSED_THROUGH = 256e6
const MEMORY_WITH_QUERY = 512e6
const CASE = 12

type Told = Pick<Measurement, 'rows' | 'bytes' | 'wallSeconds' | 'cpuSeconds'> & { what: string; peakRssBytes: number }

export async function readLogstores(bed: TestBed, settings: Settings, report: Report): Promise<void> {
  await decodeGroups(bed, settings, report)
  await using service = await LogService.start()
  const shape = { bed, settings, report, service }
  await measureShape(shape, 'SLS (lz4) → SQL → Hudi', HUDI_GOAL, MEMORY_WITH_QUERY, () => ({
    sink: { connector: 'hudi', path: path.join(bed.freshDirectory(), 'table'), table: 'bench' },
    hasQuery: true,
  }))
  const store = await bed.store('starrocks')
  await measureShape(shape, 'SLS (lz4) → StarRocks, passed through', undefined, MEMORY_PASSED_THROUGH, () => {
    const table = bed.freshName('t')
    return { sink: storeSink(store, table), count: () => store.control.count('bench', table) }
  })
}

async function decodeGroups(bed: TestBed, { repeat }: Settings, report: Report): Promise<void> {
  const runs = new Map<string, Measurement[]>()
  for (let turn = 0; turn < repeat; turn++) {
    const { out } = await measureProgram([programPath('sls-decode.ts'), String(bed.rows)], bed.directory)
    for (const line of out.trim().split('\n')) {
      const { what, ...told } = JSON.parse(line) as Told
      runs.set(what, [...(runs.get(what) ?? []), { ...told, handOverBytes: 0 }])
    }
  }
  for (const [what, measured] of runs) {
    const run = middleRun(measured)
    if (run === undefined) continue
    const megabytes = Math.round(run.bytes / run.cpuSeconds / 1e6)
    const goal = DECODE_BYTES_GOAL / (run.bytes / run.rows)
    const name = `${what} (${megabytes} MB of groups per CPU-s)`
    report({ kind: 'throughput', case: CASE, name, run, start: NO_START, goal })
  }
}

interface Measured {
  readonly bed: TestBed
  readonly settings: Settings
  readonly report: Report
  readonly service: LogService
}

async function measureShape(
  { bed, settings, report, service }: Measured,
  name: string,
  goal: number | undefined,
  memoryGoal: number,
  make: () => Omit<Pipeline, 'source'>,
): Promise<void> {
  const start = await measureStart(bed, async () => ({ ...make(), source: service.source(0) }))
  const runs: Measurement[] = []
  for (let turn = 0; turn < settings.repeat; turn++) {
    runs.push(await runPipeline(bed, { ...make(), source: service.source(bed.rows) }, bed.rows))
  }
  const run = middleRun(runs)
  if (run === undefined) return
  report({ kind: 'throughput', case: CASE, name, run, start, memoryGoal, ...(goal === undefined ? {} : { goal }) })
}
