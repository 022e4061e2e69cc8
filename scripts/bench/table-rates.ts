/** Tables of a database server read into a store, with the server on the same cores: rows per second of whole runs. */
import { middleRun, type Measurement } from './figures.ts'
import { measureStart, runPipeline, storeSink, type Pipeline } from './pipeline-runs.ts'
import type { Report, Settings } from './results.ts'
import type { TestBed } from './test-bed.ts'

const MEMORY_GOAL = 300e6

export interface Measured {
  readonly bed: TestBed
  readonly settings: Settings
  readonly report: Report
}

export interface RateOf {
  readonly case: number
  readonly name: string
  /** Rows per second, the start taken off. */
  readonly goal: number
  /** Rows per CPU-second. */
  readonly processorGoal?: number
  /** The source with the rows, for each run. */
  readonly source: () => Readonly<Record<string, unknown>>
  /** The same without rows. */
  readonly empty: Readonly<Record<string, unknown>>
  readonly hasQuery?: boolean
}

/** Reads everything as often as the settings say, and tells the run in the middle. */
export async function measureRate({ bed, settings, report }: Measured, what: RateOf): Promise<void> {
  const { name, goal, processorGoal, source, empty, hasQuery = false } = what
  const start = await measureStart(bed, () => intoStore(bed, empty, hasQuery))
  const runs: Measurement[] = []
  for (let turn = 0; turn < settings.repeat; turn++)
    runs.push(await runPipeline(bed, await intoStore(bed, source(), hasQuery), bed.rows))
  const run = middleRun(runs)
  if (run === undefined) return
  const goals = { memoryGoal: MEMORY_GOAL, ...(processorGoal === undefined ? {} : { goal: processorGoal }) }
  report({ kind: 'throughput', case: what.case, name, run, start, limits: [], ...goals })
  const value = run.wallSeconds - start.wallSeconds
  const detail = `the start taken off: ${Math.round(run.rows / value / 1000)} k rows/s, the server on the same cores`
  const most = Number((run.rows / goal).toFixed(2))
  report({ kind: 'figure', case: what.case, name: `${name}: seconds`, value, unit: 's', goal: most, detail })
}

async function intoStore(bed: TestBed, source: Pipeline['source'], hasQuery: boolean): Promise<Pipeline> {
  const store = await bed.store('starrocks')
  const target = bed.freshName('t')
  const count = (): Promise<number> => store.control.count('bench', target)
  return { source, sink: storeSink(store, target), hasOwnSchema: true, hasQuery, count }
}
