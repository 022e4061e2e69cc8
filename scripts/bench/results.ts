import { ratesOf, shareOfLimit, type Measurement, type StartUp } from './figures.ts'

/** A goal is information: a bench ends with exit code 0 whether it was reached or not. */
export type Result = ThroughputResult | FigureResult

export interface ThroughputResult {
  readonly kind: 'throughput'
  readonly case: number
  readonly name: string
  readonly run: Measurement
  readonly start: StartUp
  /** Rows per CPU-second. */
  readonly goal?: number
  /** Bytes of resident set and hand-over files together. */
  readonly memoryGoal?: number
  readonly against?: Reference
  /** Names of the results that say what reading and sending alone can do. */
  readonly limits?: readonly string[]
}

/** A figure that was not measured in this run. */
export interface Reference {
  readonly name: string
  readonly rowsPerCpuSecond: number
}

export interface FigureResult {
  readonly kind: 'figure'
  readonly case: number
  readonly name: string
  readonly value: number
  readonly unit: '%' | 's' | 'MB/min' | 'MB'
  readonly detail: string
  /** The most that it should be, in the same unit. */
  readonly goal?: number
}

export interface Settings {
  /** How often a throughput is measured; the run in the middle counts. */
  readonly repeat: number
  readonly minutes: number
}

export type Report = (result: Result) => void

export const readingName = (codec: string, what: string): string => `read a topic (${codec}), ${what}`
export const sendingName = (store: string): string => `prepared bytes → ${store}`

/** Throughputs as a table for people, and as Markdown. */
export function throughputTable(results: readonly ThroughputResult[]): string {
  const head = ['case', 'rows/s', 'MB/s', 'rows/CPU-s', 'with start', 'RSS', 'files', 'goal', 'memory', 'against']
  return table([head, ...results.map(throughputRow)])
}

function throughputRow(result: ThroughputResult): string[] {
  const { run, start, goal, memoryGoal, against } = result
  const rates = ratesOf(run, start)
  const held = (run.peakRssBytes ?? Number.NaN) + (run.handOverBytes ?? 0)
  return [
    `${result.case} ${result.name}`,
    millions(rates.rowsPerSecond),
    Number.isNaN(rates.megabytesPerSecond) ? '–' : rates.megabytesPerSecond.toFixed(0),
    millions(rates.rowsPerCpuSecond),
    start.cpuSeconds === 0 ? '–' : millions(rates.rowsPerCpuSecondWithStart),
    megabytes(run.peakRssBytes),
    run.handOverBytes === 0 ? '–' : megabytes(run.handOverBytes),
    goal === undefined ? '–' : `${mark(rates.rowsPerCpuSecond >= goal)} ≥ ${millions(goal)}`,
    memoryGoal === undefined ? '–' : `${mark(held <= memoryGoal)} ≤ ${megabytes(memoryGoal)}`,
    against === undefined
      ? '–'
      : `${(rates.rowsPerCpuSecond / against.rowsPerCpuSecond).toFixed(1)} × ${against.name} (${millions(against.rowsPerCpuSecond)})`,
  ]
}

/** How near pipelines come to the raw limits, for those whose limits were measured in the same run. */
export function limitLines(results: readonly ThroughputResult[]): string[] {
  const rateOf = ({ run, start }: ThroughputResult): number => ratesOf(run, start).rowsPerCpuSecond
  const rates = new Map(results.map((result) => [result.name, rateOf(result)]))
  return results.flatMap((result) => {
    const parts = (result.limits ?? []).flatMap((name) => rates.get(name) ?? [])
    if (parts.length === 0 || parts.length !== result.limits?.length) return []
    const percent = 100 * shareOfLimit(rateOf(result), parts)
    return [`${result.name}: ${percent.toFixed(0)} % of reading and sending alone`]
  })
}

export function figureTable(results: readonly FigureResult[]): string {
  const rows = results.map(({ case: number, name, value, unit, goal, detail }) => [
    `${number} ${name}`,
    `${value.toFixed(2)} ${unit}`,
    goal === undefined ? '–' : `${mark(value <= goal)} ≤ ${goal} ${unit}`,
    detail,
  ])
  return table([['case', 'figure', 'goal', 'from'], ...rows])
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = rows
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n')
}

const mark = (isMet: boolean): string => (isMet ? '✓' : '✗')
const millions = (value: number): string => (Number.isNaN(value) ? '–' : `${(value / 1e6).toFixed(2)} M`)
const megabytes = (bytes: number | undefined): string => (bytes === undefined ? '–' : `${Math.round(bytes / 1e6)} MB`)
