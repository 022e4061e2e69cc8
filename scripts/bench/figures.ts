/** What a bench computes from its measurements. Pure. */

/** What one run of a program took. Start-up included. */
export interface Measurement {
  readonly rows: number
  readonly bytes: number
  readonly wallSeconds: number
  /** User and system time of all threads. */
  readonly cpuSeconds: number
  readonly peakRssBytes?: number
  /** Most that its hand-over files in shared memory held; they are not in the resident set. */
  readonly handOverBytes?: number
}

/** Figures per second of work: what a start takes is subtracted, because a job that runs for days pays it once. */
export interface Rates {
  readonly rowsPerSecond: number
  readonly megabytesPerSecond: number
  readonly rowsPerCpuSecond: number
  readonly rowsPerCpuSecondWithStart: number
}

export const NO_START: StartUp = { wallSeconds: 0, cpuSeconds: 0 }

/** What a run without rows takes. */
export interface StartUp {
  readonly wallSeconds: number
  readonly cpuSeconds: number
}

/** The middle value; of an even number the mean of the two middle ones. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted.length >> 1
  const high = sorted[upper] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : (high + (sorted[upper - 1] ?? Number.NaN)) / 2
}

/** The measurement whose CPU time is in the middle (the lower one of two): a real run, not a mixture. */
export function middleRun(runs: readonly Measurement[]): Measurement | undefined {
  return runs.toSorted((a, b) => a.cpuSeconds - b.cpuSeconds)[(runs.length - 1) >> 1]
}

export function ratesOf(run: Measurement, start: StartUp): Rates {
  const wall = positive(run.wallSeconds - start.wallSeconds)
  return {
    rowsPerSecond: run.rows / wall,
    megabytesPerSecond: run.bytes / wall / 1e6,
    rowsPerCpuSecond: run.rows / positive(run.cpuSeconds - start.cpuSeconds),
    rowsPerCpuSecondWithStart: run.rows / run.cpuSeconds,
  }
}

/** How much more each first value costs than its partner: the median of the ratios, less one. */
export function medianExtra(pairs: readonly (readonly [number, number])[]): number {
  return median(pairs.map(([one, other]) => one / other)) - 1
}

/**
 * How near a pipeline comes to what its parts can do alone, from rates per CPU-second: a row costs at least the sum of
 * what it costs to read and to send.
 */
export function shareOfLimit(rate: number, parts: readonly number[]): number {
  return rate * parts.reduce((sum, part) => sum + 1 / part, 0)
}

/** Least-squares slope of `[x, y]` points; 0 when there are fewer than two different x. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length
  let products = 0
  let squares = 0
  for (const [x, y] of points) {
    products += (x - meanX) * (y - meanY)
    squares += (x - meanX) ** 2
  }
  return squares === 0 ? 0 : products / squares
}

/**
 * Seconds of CPU that `times` of the shell says its children took, from its second line: `0m1.250s 0m0.300s`
 * (user, system). Undefined when the text is something else.
 */
export function childCpuSeconds(timesOutput: string): number | undefined {
  const line = timesOutput.trim().split('\n').at(-1) ?? ''
  const found = /^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/.exec(line.replaceAll(',', '.'))
  if (found === null) return undefined
  const [, userMinutes, user, systemMinutes, system] = found
  return Number(userMinutes) * 60 + Number(user) + Number(systemMinutes) * 60 + Number(system)
}

function positive(value: number): number {
  return value > 0 ? value : Number.NaN
}
