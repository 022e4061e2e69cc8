/** Whole pipelines with the real command line: passed through, and with a query. */
import path from 'node:path'
import { middleRun, type Measurement } from '../figures.ts'
import { kafkaSource, measureStart, runPipeline, storeSink, type Pipeline } from '../pipeline-runs.ts'
import {
  readingName,
  sendingName,
  type Reference,
  type Report,
  type Settings,
  type ThroughputResult,
} from '../results.ts'
import type { Store, TestBed } from '../test-bed.ts'

/**
 * Flink 1.20 with the official connectors on the same kind of machine (two cores) and the same rows. Measured once,
 * apart from this bench: installing Flink is not part of it.
 */
const FLINK: Readonly<Record<Store | 'hudi', Reference>> = {
  starrocks: { name: 'Flink', rowsPerCpuSecond: 126e3 },
  doris: { name: 'Flink', rowsPerCpuSecond: 170e3 },
  hudi: { name: 'Flink', rowsPerCpuSecond: 76e3 },
}
const MEMORY_PASSED_THROUGH = 256e6
const MEMORY_WITH_QUERY = 512e6

const NAMES: Readonly<Record<Store, string>> = { starrocks: 'StarRocks', doris: 'Doris' }

type Made = Pick<Pipeline, 'source' | 'sink' | 'count'>
type Goals = Pick<ThroughputResult, 'case' | 'name' | 'goal' | 'memoryGoal' | 'against' | 'limits'>
interface Shape extends Goals, Pick<Pipeline, 'hasQuery' | 'parallelism'> {
  /** Makes the pipeline that reads this many rows, with a target of its own. */
  make(rows: number): Promise<Made>
}

export async function passThrough(bed: TestBed, settings: Settings, report: Report): Promise<void> {
  for (const store of ['starrocks', 'doris'] as const)
    for (const parallelism of [1, 2])
      await measureShape(bed, settings, report, {
        case: 3,
        name: `Kafka → ${NAMES[store]}, parallelism ${parallelism}`,
        goal: 1.5e6,
        memoryGoal: MEMORY_PASSED_THROUGH,
        against: FLINK[store],
        limits: [readingName('none', 'values in lines'), sendingName(store)],
        parallelism,
        make: (rows) => kafkaToStore(bed, store, rows),
      })
}

export async function queryToStore(bed: TestBed, settings: Settings, report: Report): Promise<void> {
  for (const format of ['csv', 'json'])
    await measureShape(bed, settings, report, {
      case: 4,
      name: `Kafka → SQL → StarRocks, ${format}`,
      goal: 0.6e6,
      memoryGoal: MEMORY_WITH_QUERY,
      against: FLINK.starrocks,
      hasQuery: true,
      make: (rows) => kafkaToStore(bed, 'starrocks', rows, { format }),
    })
}

export async function queryToHudi(bed: TestBed, settings: Settings, report: Report): Promise<void> {
  const goals = { case: 5, goal: 0.8e6, memoryGoal: MEMORY_WITH_QUERY, against: FLINK.hudi, hasQuery: true }
  await measureShape(bed, settings, report, {
    ...goals,
    name: 'file → SQL → Hudi',
    make: async (rows) => ({
      source: { connector: 'file', path: await bed.file(rows), format: 'json' },
      sink: hudiSink(bed),
    }),
  })
  await measureShape(bed, settings, report, {
    ...goals,
    name: 'Kafka → SQL → Hudi',
    make: async (rows) => ({ source: await kafkaSource(bed, await bed.topic(rows)), sink: hudiSink(bed) }),
  })
}

function hudiSink(bed: TestBed): Pipeline['sink'] {
  return { connector: 'hudi', path: path.join(bed.freshDirectory(), 'table'), table: 'bench' }
}

/** Kafka into a new table. */
async function kafkaToStore(
  bed: TestBed,
  kind: Store,
  rows: number,
  options: Readonly<Record<string, unknown>> = {},
): ReturnType<Shape['make']> {
  const store = await bed.store(kind)
  const table = bed.freshName('t')
  const count = (): Promise<number> => store.control.count('bench', table)
  const source = await kafkaSource(bed, await bed.topic(rows))
  return { source, sink: storeSink(store, table, options), count }
}

async function measureShape(bed: TestBed, { repeat }: Settings, report: Report, shape: Shape): Promise<void> {
  const { make, hasQuery = false, parallelism = 1, ...goals } = shape
  const start = await measureStart(bed, async () => ({ ...(await make(0)), hasQuery, parallelism }))
  const runs: Measurement[] = []
  for (let turn = 0; turn < repeat; turn++) {
    const made = await make(bed.rows)
    runs.push(await runPipeline(bed, { ...made, hasQuery, parallelism }, bed.rows))
  }
  const run = middleRun(runs)
  if (run !== undefined) report({ kind: 'throughput', run, start, ...goals })
}
