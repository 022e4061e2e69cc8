import path from 'node:path'
import { run } from 'node:test'
import { indent, repository } from './stage.ts'

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

export interface SuiteOptions {
  /** Absolute paths. */
  readonly files: readonly string[]
  /** Test files that run at the same time, each in a process of its own. */
  readonly concurrency: number
  /** Limit for one test. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export function noTotals(): Totals {
  return { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
}

/**
 * Runs test files with node:test and prints one line for each, failures in full and what a failing file printed.
 * Stricter than `node --test` in one point: a file without a single test has failed.
 */
export async function runSuite(options: SuiteOptions): Promise<Totals> {
  const totals = noTotals()
  if (options.files.length === 0) return totals
  const files = new Set(options.files)
  const printed = new Map<string, string>()
  const stream = run({
    files: [...files],
    concurrency: options.concurrency,
    timeout: options.timeoutMs,
    signal: options.signal,
  })

  const keepOutput = (data: { file?: string | undefined; message: string }): void => {
    if (data.file !== undefined) printed.set(data.file, ((printed.get(data.file) ?? '') + data.message).slice(-8000))
  }
  const finishFile = (file: string, ok: boolean, durationMs: number, words: string): void => {
    // Of a run that was stopped, only the totals are worth printing.
    if (options.signal.aborted) return
    const seconds = (durationMs / 1000).toFixed(1).padStart(6)
    process.stdout.write(`${ok ? '✔' : '✖'} ${seconds} s  ${path.relative(repository, file)}  ${words}\n`)
    if (!ok) process.stdout.write(indent(printed.get(file) ?? ''))
    printed.delete(file)
    files.delete(file)
  }
  stream.on('test:stdout', keepOutput)
  stream.on('test:stderr', keepOutput)
  stream.on('test:pass', (data) => {
    // node:test counts a file without tests as one passing test that has the file's name.
    if (!files.has(data.name)) return
    totals.pass -= 1
    totals.fail += 1
    finishFile(data.name, false, data.details.duration_ms, 'has no test at all')
  })
  stream.on('test:fail', (data) => {
    if (files.has(data.name)) return finishFile(data.name, false, data.details.duration_ms, 'broke off')
    const failure = data.details.error as Error & { failureType?: string }
    if (failure.failureType === 'subtestsFailed') return
    const where = `${path.relative(repository, data.file ?? '')}:${data.line ?? 0}`
    process.stdout.write(`✖ ${where}  ${data.name}\n${indent(textOf(failure.cause ?? failure))}\n`)
  })
  stream.on('test:summary', ({ file, success, counts, duration_ms: durationMs }) => {
    if (file !== undefined) {
      const failed = counts.tests - counts.passed - counts.skipped - counts.todo
      return finishFile(file, success, durationMs, `${counts.tests} tests${success ? '' : `, ${failed} failed`}`)
    }
    totals.tests += counts.tests
    totals.suites += counts.suites
    totals.pass += counts.passed
    totals.fail += counts.tests - counts.passed - counts.cancelled - counts.skipped - counts.todo
    totals.cancelled += counts.cancelled
    totals.skipped += counts.skipped
    totals.todo += counts.todo
  })
  for await (const event of stream) void event
  for (const file of files) {
    totals.cancelled += 1
    finishFile(file, false, 0, 'did not end')
  }
  return totals
}

function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const stack = cause.stack ?? ''
  const text = stack.includes(cause.message) ? stack : `${cause.message}\n${stack}`
  return text.replaceAll(/^\s+at .*\bnode:.*\n?/gm, '')
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
