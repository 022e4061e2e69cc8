/** An Iceberg table into StarRocks, with several lanes; beside it reading the table alone. */
import { median, middleRun, ratesOf, type Measurement } from '../figures.ts'
import { measureStart, runPipeline, storeSink, type Pipeline } from '../pipeline-runs.ts'
import { sendingName, type Report, type Settings } from '../results.ts'
import type { TestBed } from '../test-bed.ts'

const LANES = [1, 2, 4] as const
const READING = 'read an Iceberg table'

/** Runs of all numbers of lanes in turns, so that a busy minute meets them alike. */
export async function icebergToStore(bed: TestBed, settings: Settings, report: Report): Promise<void> {
  await measure(bed, settings, report, READING, [1], async (rows) => ({
    ...(await sourceOf(bed, rows)),
    sink: { connector: 'blackhole' },
  }))
  const name = 'Iceberg → StarRocks'
  const rates = await measure(bed, settings, report, name, LANES, (rows) => toStore(bed, rows))
  const [one = [], two = []] = [1, 2].map((lanes) => rates.get(lanes))
  report({
    kind: 'figure',
    case: 11,
    name: 'rows per CPU-second lost by a second lane',
    value: 100 * (1 - median(two.map((rate, turn) => rate / (one[turn] ?? Number.NaN)))),
    unit: '%',
    detail: `median of ${settings.repeat} pairs, the start taken off`,
    goal: 10,
  })
}

type Made = Pick<Pipeline, 'source' | 'sink' | 'count' | 'hasOwnSchema'>

/** Reports the middle run of each number of lanes; returns the rows per CPU-second of all runs. */
async function measure(
  bed: TestBed,
  { repeat }: Settings,
  report: Report,
  name: string,
  lanes: readonly number[],
  make: (rows: number) => Promise<Made>,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const runs = new Map<number, Measurement[]>()
  const rates = new Map<number, readonly number[]>()
  for (let turn = 0; turn < repeat; turn++) {
    for (const parallelism of lanes) {
      const run = await runPipeline(bed, { ...(await make(bed.rows)), parallelism }, bed.rows)
      runs.set(parallelism, [...(runs.get(parallelism) ?? []), run])
    }
  }
  for (const parallelism of lanes) {
    const start = await measureStart(bed, async () => ({ ...(await make(0)), parallelism }))
    const measured = runs.get(parallelism) ?? []
    rates.set(
      parallelism,
      measured.map((one) => ratesOf(one, start).rowsPerCpuSecond),
    )
    const run = middleRun(measured)
    if (run === undefined) continue
    const suffix = lanes.length > 1 ? `, parallelism ${parallelism}` : ''
    const limits = name === READING ? [] : [READING, sendingName('starrocks')]
    report({ kind: 'throughput', case: 11, name: `${name}${suffix}`, run, start, limits })
  }
  return rates
}

async function sourceOf(bed: TestBed, rows: number): Promise<Pick<Pipeline, 'source' | 'hasOwnSchema'>> {
  return { source: { connector: 'iceberg', table: await bed.icebergTable(rows) }, hasOwnSchema: true }
}

async function toStore(bed: TestBed, rows: number): Promise<Made> {
  const store = await bed.store('starrocks')
  const table = bed.freshName('t')
  const count = (): Promise<number> => store.control.count('bench', table)
  return { ...(await sourceOf(bed, rows)), sink: storeSink(store, table, { format: 'csv' }), count }
}
