/** Two lanes into a Hudi table with partitions: what bringing partitions together costs, and what a hot one does. */
import path from 'node:path'
import { median, type Measurement } from '../figures.ts'
import { runPipeline, type Pipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import type { TestBed } from '../test-bed.ts'

const EVEN = `'p' || (id % 8) AS part`
/** Nine tenths of the rows in one partition. */
const SKEWED = `CASE WHEN id % 10 < 9 THEN 'p0' ELSE 'p' || (1 + id % 7) END AS part`

const SHAPES = {
  'even, none': { partition: EVEN, repartition: 'none' },
  'even, by-partition': { partition: EVEN, repartition: 'by-partition' },
  'skewed, by-partition': { partition: SKEWED, repartition: 'by-partition' },
  'even, auto': { partition: EVEN, repartition: 'auto' },
  'skewed, auto': { partition: SKEWED, repartition: 'auto' },
} as const
type Shape = keyof typeof SHAPES

/** Runs of all shapes in turns, so that a busy minute meets them alike. */
export async function skewedPartitions(bed: TestBed, { repeat }: Settings, report: Report): Promise<void> {
  const runs = new Map<Shape, Measurement[]>()
  for (let turn = 0; turn < repeat; turn++) {
    for (const [shape, { partition, repartition }] of Object.entries(SHAPES)) {
      const pipeline = await toHudi(bed, partition, repartition)
      const measured = runs.get(shape as Shape) ?? []
      runs.set(shape as Shape, [...measured, await runPipeline(bed, pipeline, bed.rows)])
    }
  }
  const loss = (of: (run: Measurement) => number, from: Shape, to: Shape): number =>
    100 * (1 - median(pairs(runs, from, to).map(([one, other]) => of(one) / of(other))))
  const figure = (name: string, from: Shape, to: Shape, goal?: number): void => {
    const detail = `median of ${repeat} pairs; of CPU time ${loss(cpuOf, from, to).toFixed(1)} %`
    const value = loss(wallOf, from, to)
    report({ kind: 'figure', case: 9, name, value, unit: '%', detail, ...(goal === undefined ? {} : { goal }) })
  }
  figure('rows/s lost with 90 % in one partition, by-partition', 'even, by-partition', 'skewed, by-partition', 15)
  figure('rows/s lost with 90 % in one partition, auto', 'even, auto', 'skewed, auto', 15)
  figure('rows/s lost by bringing 8 even partitions together', 'even, none', 'even, by-partition')
  figure('rows/s lost by doing so where it helps (auto)', 'even, none', 'even, auto')
}

const wallOf = (run: Measurement): number => run.wallSeconds
const cpuOf = (run: Measurement): number => run.cpuSeconds

function pairs(runs: ReadonlyMap<Shape, readonly Measurement[]>, from: Shape, to: Shape): [Measurement, Measurement][] {
  const others = runs.get(to) ?? []
  return (runs.get(from) ?? []).flatMap((run, turn): [Measurement, Measurement][] => {
    const other = others[turn]
    return other === undefined ? [] : [[run, other]]
  })
}

async function toHudi(bed: TestBed, partition: string, repartition: string): Promise<Pipeline> {
  return {
    source: { connector: 'file', path: await bed.file(), format: 'json' },
    sink: {
      connector: 'hudi',
      path: path.join(bed.freshDirectory(), 'table'),
      table: 'bench',
      partitionBy: [partition],
      repartition,
    },
    hasQuery: true,
    parallelism: 2,
    interval: '2s',
  }
}
