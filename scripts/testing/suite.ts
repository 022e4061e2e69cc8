import path from 'node:path'
import { run } from 'node:test'
import { indent, repository } from './stage.ts'
import { addTotals, noTotals, type Totals } from './totals.ts'

export interface SuiteOptions {
  /** Absolute paths. */
  readonly files: readonly string[]
  /** Test files that run at the same time, each in a process of its own. */
  readonly concurrency: number
  /** Limit for one test. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What came of one test file. */
export interface FileResult {
  /** Absolute path. */
  readonly file: string
  readonly ok: boolean
  readonly totals: Totals
  /** Its line, then what failed and what a failing file printed. */
  readonly story: string
}

/**
 * Runs test files with node:test and prints the story of each when it ends.
 * Stricter than `node --test` in one point: a file without a single test has failed.
 * Of a run that was stopped, only the results are worth having: it prints nothing more.
 */
export async function runSuite(options: SuiteOptions): Promise<FileResult[]> {
  const results: FileResult[] = []
  if (options.files.length === 0) return results
  const waiting = new Set(options.files)
  const failures = new Map<string, string>()
  const printed = new Map<string, string>()
  const stream = run({
    files: [...waiting],
    concurrency: options.concurrency,
    timeout: options.timeoutMs,
    signal: options.signal,
  })

  const keepOutput = (data: { file?: string | undefined; message: string }): void => {
    if (data.file !== undefined) printed.set(data.file, ((printed.get(data.file) ?? '') + data.message).slice(-8000))
  }
  const finishFile = (file: string, ok: boolean, durationMs: number, words: string, totals: Totals): void => {
    if (!waiting.delete(file)) return
    const seconds = (durationMs / 1000).toFixed(1).padStart(6)
    const line = `${ok ? '✔' : '✖'} ${seconds} s  ${path.relative(repository, file)}  ${words}\n`
    const output = indent(printed.get(file) ?? '')
    const story = ok ? line : `${line}${failures.get(file) ?? ''}${output === '' ? '' : `${output}\n`}`
    results.push({ file, ok, totals, story })
    failures.delete(file)
    printed.delete(file)
    if (!options.signal.aborted) process.stdout.write(story)
  }
  stream.on('test:stdout', keepOutput)
  stream.on('test:stderr', keepOutput)
  stream.on('test:pass', (data) => {
    // node:test counts a file without tests as one passing test that has the file's name.
    if (waiting.has(data.name))
      finishFile(data.name, false, data.details.duration_ms, 'has no test at all', oneFailure())
  })
  stream.on('test:fail', (data) => {
    if (waiting.has(data.name)) return finishFile(data.name, false, data.details.duration_ms, 'broke off', oneFailure())
    const failure = data.details.error as Error & { failureType?: string }
    if (failure.failureType === 'subtestsFailed') return
    const file = data.file ?? ''
    const where = `${path.relative(repository, file)}:${data.line ?? 0}`
    const text = `  ✖ ${where}  ${data.name}\n${indent(textOf(failure.cause ?? failure))}\n`
    failures.set(file, (failures.get(file) ?? '') + text)
  })
  stream.on('test:summary', ({ file, success, counts, duration_ms: durationMs }) => {
    if (file === undefined) return
    const failed = counts.tests - counts.passed - counts.skipped - counts.todo
    finishFile(file, success, durationMs, `${counts.tests} tests${success ? '' : `, ${failed} failed`}`, {
      tests: counts.tests,
      suites: counts.suites,
      pass: counts.passed,
      fail: failed - counts.cancelled,
      cancelled: counts.cancelled,
      skipped: counts.skipped,
      todo: counts.todo,
    })
  })
  for await (const event of stream) void event
  for (const file of waiting) finishFile(file, false, 0, 'did not end', { ...noTotals(), tests: 1, cancelled: 1 })
  return results
}

/** All tests of some files together. */
export function totalsOf(results: readonly FileResult[]): Totals {
  return results.reduce((sum, { totals }) => addTotals(sum, totals), noTotals())
}

function oneFailure(): Totals {
  return { ...noTotals(), tests: 1, fail: 1 }
}

function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const stack = cause.stack ?? ''
  const text = stack.includes(cause.message) ? stack : `${cause.message}\n${stack}`
  return text.replaceAll(/^\s+at .*\bnode:.*\n?/gm, '')
}
