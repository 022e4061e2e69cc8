/** What exactly-once costs: interleaved pairs of runs that differ in `delivery` only. */
import path from 'node:path'
import { median, medianExtra } from '../figures.ts'
import { kafkaSource, measureStart, runPipeline, storeSink, type Pipeline } from '../pipeline-runs.ts'
import type { Report, Settings } from '../results.ts'
import type { Store, TestBed } from '../test-bed.ts'

const PAIRS = 9
const GOAL_PERCENT = 3
/** Of a Hudi table, which gets a commit for each checkpoint; the last one is always an extra one. */
const HUDI_INTERVALS = ['1s', '10s']

type Delivery = NonNullable<Pipeline['delivery']>

interface Compared {
  readonly name: string
  readonly interval: string
  /** Makes the pipeline that reads this many rows, with a target of its own. */
  make(rows: number): Promise<Pipeline>
}

export async function compareDeliveries(bed: TestBed, _: Settings, report: Report): Promise<void> {
  for (const kind of ['starrocks', 'doris'] as const) {
    await compare(bed, report, { name: kind, interval: '1s', make: (rows) => kafkaToStore(bed, kind, rows) })
  }
  for (const interval of HUDI_INTERVALS) {
    await compare(bed, report, { name: `hudi every ${interval}`, interval, make: (rows) => fileToHudi(bed, rows) })
  }
}

async function kafkaToStore(bed: TestBed, kind: Store, rows: number): Promise<Pipeline> {
  const store = await bed.store(kind)
  const table = bed.freshName('t')
  return {
    source: await kafkaSource(bed, await bed.topic(rows)),
    sink: storeSink(store, table),
    count: () => store.control.count('bench', table),
  }
}

async function fileToHudi(bed: TestBed, rows: number): Promise<Pipeline> {
  return {
    source: { connector: 'file', path: await bed.file(rows), format: 'json' },
    sink: { connector: 'hudi', path: path.join(bed.freshDirectory(), 'table'), table: 'bench' },
    hasQuery: true,
  }
}

async function compare(bed: TestBed, report: Report, { name, interval, make }: Compared): Promise<void> {
  const made = async (delivery: Delivery, rows: number): Promise<Pipeline> => ({
    ...(await make(rows)),
    delivery,
    interval,
  })
  const start = await measureStart(bed, () => made('exactly-once', 0))
  const measure = async (delivery: Delivery): Promise<number> =>
    (await runPipeline(bed, await made(delivery, bed.rows), bed.rows)).cpuSeconds
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
    name: `exactly-once against at-least-once, ${name}`,
    value: 100 * medianExtra(net),
    unit: '%',
    goal: GOAL_PERCENT,
    detail:
      `${PAIRS} pairs from ${Math.min(...percents).toFixed(1)} to ${Math.max(...percents).toFixed(1)} %, ` +
      `${(100 * medianExtra(pairs)).toFixed(1)} % with start; medians ${median(net.map(([one]) => one)).toFixed(2)} ` +
      `and ${median(net.map(([, other]) => other)).toFixed(2)} CPU-s`,
  })
}
