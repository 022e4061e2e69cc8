import assert from 'node:assert/strict'
import { test } from 'node:test'
import { childCpuSeconds, median, medianExtra, middleRun, ratesOf, shareOfLimit, slope } from './figures.ts'

test('the median of an odd number is the middle value, of an even one the mean of two', () => {
  assert.equal(median([10, 9, 1]), 9)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.ok(Number.isNaN(median([])))
})

test('rates leave the start out, except the one that says otherwise', () => {
  const run = { rows: 3000, bytes: 6e6, wallSeconds: 4, cpuSeconds: 2.5 }
  assert.deepEqual(ratesOf(run, { wallSeconds: 1, cpuSeconds: 0.5 }), {
    rowsPerSecond: 1000,
    megabytesPerSecond: 2,
    rowsPerCpuSecond: 1500,
    rowsPerCpuSecondWithStart: 1200,
  })
})

test('a run that took less than a start has no rate', () => {
  const rates = ratesOf({ rows: 1, bytes: 1, wallSeconds: 1, cpuSeconds: 1 }, { wallSeconds: 1, cpuSeconds: 2 })
  assert.ok(Number.isNaN(rates.rowsPerSecond) && Number.isNaN(rates.rowsPerCpuSecond))
})

test('the middle run is one of the runs', () => {
  const runs = [5, 1, 3, 2].map((cpuSeconds) => ({ rows: 1, bytes: 1, wallSeconds: 1, cpuSeconds }))
  assert.equal(middleRun(runs)?.cpuSeconds, 2)
  assert.equal(middleRun([]), undefined)
})

test('an outlier among the pairs does not change what one side costs more', () => {
  const extra = medianExtra([
    [1.02, 1],
    [2.04, 2],
    [9, 1],
  ])
  assert.ok(Math.abs(extra - 0.02) < 1e-12)
})

test('two parts that take the same allow half of the rate', () => {
  assert.equal(shareOfLimit(2, [4, 4]), 1)
  assert.equal(shareOfLimit(1, [4, 4]), 0.5)
})

test('the slope of a line is found through noise on both sides', () => {
  assert.equal(slope([0, 1, 2, 3].map((x) => [x, 7 + 2 * x])), 2)
  assert.equal(
    slope([
      [0, 1],
      [1, -1],
      [2, -1],
      [3, 1],
    ]),
    0,
  )
  assert.equal(slope([[1, 5]]), 0)
})

test('CPU time of children is read from the shell', () => {
  assert.equal(childCpuSeconds('0m0.001s 0m0.002s\n1m1.250s 0m0.300s\n'), 61.55)
  assert.equal(childCpuSeconds('0m0,001s 0m0,002s\n0m0,500s 0m0,250s\n'), 0.75)
  assert.equal(childCpuSeconds('sh: times: not found'), undefined)
})
