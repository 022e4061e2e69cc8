/** What exactly-once costs: interleaved pairs of runs that differ in `delivery` only. */
import { median, medianExtra } from '../figures.ts'
import { kafkaSource, measureStart, runPipeline, storeSink, type Pipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import type { Store, TestBed } from '../test-bed.ts'

const PAIRS = 9
const GOAL_PERCENT = 3

export async function compareDeliveries(bed: TestBed, _: Settings, report: Report): Promise<void> {
  for (const kind of ['starrocks', 'doris'] as const) await compareFor(bed, kind, report)
}

async function compareFor(bed: TestBed, kind: Store, report: Report): Promise<void> {
  const store = await bed.store(kind)
  const make = async (delivery: NonNullable<Pipeline['delivery']>, rows: number): Promise<Pipeline> => {
    const table = bed.freshName('t')
    return {
      source: await kafkaSource(bed, await bed.topic(rows)),
      sink: storeSink(store, table),
      count: () => store.control.count('bench', table),
      delivery,
      interval: '1s',
    }
  }
  const start = await measureStart(bed, () => make('exactly-once', 0))
  const measure = async (delivery: NonNullable<Pipeline['delivery']>): Promise<number> =>
    (await runPipeline(bed, await make(delivery, bed.rows), bed.rows)).cpuSeconds
  const pairs: [number, number][] = []
  for (let pair = 0; pair < PAIRS; pair++) {
    // Which one goes first changes, so that a machine that grows slower or faster favours neither.
    if (pair % 2 === 0) pairs.push([await measure('exactly-once'), await measure('at-least-once')])
    else {
      const other = await measure('at-least-once')
      pairs.push([await measure('exactly-once'), other])
    }
  }
  const net = pairs.map(([one, other]) => [one - start.cpuSeconds, other - start.cpuSeconds] as const)
  const percents = net.map((pair) => 100 * medianExtra([pair]))
  report({
    kind: 'figure',
    case: 6,
    name: `exactly-once against at-least-once, ${kind}`,
    value: 100 * medianExtra(net),
    unit: '%',
    goal: GOAL_PERCENT,
    detail:
      `${PAIRS} pairs from ${Math.min(...percents).toFixed(1)} to ${Math.max(...percents).toFixed(1)} %, ` +
      `${(100 * medianExtra(pairs)).toFixed(1)} % with start; medians ${median(net.map(([one]) => one)).toFixed(2)} ` +
      `and ${median(net.map(([, other]) => other)).toFixed(2)} CPU-s`,
  })
}
