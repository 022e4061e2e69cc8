/** The totals that `node --test` prints, under its names. */
export interface Totals {
  tests: number
  suites: number
  pass: number
  fail: number
  cancelled: number
  skipped: number
  todo: number
}

export function noTotals(): Totals {
  return { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
}

export function addTotals(one: Totals, other: Totals): Totals {
  const sum = noTotals()
  for (const key of Object.keys(sum) as (keyof Totals)[]) sum[key] = one[key] + other[key]
  return sum
}

/** The lines that `node --test` ends with, then the one that says it all. */
export function closingLines(totals: Totals, durationMs: number): string {
  const lines = Object.entries(totals).map(([name, count]) => `ℹ ${name} ${count}`)
  const failed = totals.fail + totals.cancelled
  return [...lines, `ℹ duration_ms ${durationMs.toFixed(0)}`, '', `${totals.pass} passed, ${failed} failed`, ''].join(
    '\n',
  )
}
