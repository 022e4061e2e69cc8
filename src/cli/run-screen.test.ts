import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError } from '../core/errors.ts'
import type { Plan, SourceStep } from '../plan/plan.ts'
import type { JobEvent } from '../runtime/observer.ts'
import { createOutput } from './output.ts'
import { formatBytes, formatDuration } from './quantities.ts'
import { RunProgress } from './run-progress.ts'
import { screenLines, summaryLine } from './run-screen.ts'
import { clip, renderText } from './terminal.ts'

const ACCOUNTING = { read: 1000, copied: 0, filtered: 500, deadLettered: 0, written: 500 }

function planOf(bounded: boolean): Plan {
  const steps = [
    { kind: 'source', id: 'rows', bounded } as SourceStep,
    { kind: 'query', id: 'few' },
    { kind: 'sink', id: 'out' },
  ]
  return { name: 'p', steps } as unknown as Plan
}

function moved(lane: number, rows: number): JobEvent {
  const steps = {
    rows: { rows, bytes: rows * 10 },
    few: { rows: rows / 2, bytes: 0 },
    out: { rows: rows / 2, bytes: rows },
  }
  return { kind: 'lane', lane, message: { kind: 'progress', steps, positions: {} } }
}

/** A run of three seconds with 1000 rows/s in one of two lanes. */
function runningFor3Seconds(plan: Plan): { progress: RunProgress; at: (ms: number) => void } {
  let now = 0
  const progress = new RunProgress(plan, () => now)
  const at = (ms: number): void => {
    now = ms
  }
  progress.see({ kind: 'claimed', epoch: 1 })
  progress.see({ kind: 'started', epoch: 1 })
  for (let ms = 0; ms <= 3000; ms += 500) {
    at(ms)
    progress.see(moved(0, ms))
    progress.see(moved(1, 0))
  }
  progress.see({ kind: 'published', checkpoint: 1, accounting: ACCOUNTING, tookMs: 1, committables: [] })
  progress.see({ kind: 'confirmed', checkpoint: 1, tookMs: 1 })
  return { progress, at }
}

function plain(lines: readonly string[]): string[] {
  return lines.map((line) => renderText(line, false))
}

test('every step shows its rows and its rate, and the head what the job does', () => {
  const { progress, at } = runningFor3Seconds(planOf(false))
  at(4500)
  assert.deepEqual(plain(screenLines(progress.status(), planOf(false))), [
    'p running  ·  4.0 s  ·  checkpoint 1 (1.5 s ago)',
    '  rows  3,000 rows  1,000/s  30.0 kB  10.0 kB/s',
    '  few   1,500 rows    500/s',
    '  out   1,500 rows    500/s  3.00 kB  1.00 kB/s',
  ])
  assert.equal(summaryLine(progress.status()), 'p: 3,000 rows read (30.0 kB), 500 written, last checkpoint 1, 4.5 s\n')
})

test('rates fall to nothing when no lane tells anything', () => {
  const { progress, at } = runningFor3Seconds(planOf(false))
  at(10_000)
  assert.equal(progress.status().rowsPerSecond, 0)
})

test('a bar is drawn where the end is known, and only there', () => {
  const { progress } = runningFor3Seconds(planOf(true))
  assert.equal(screenLines(progress.status(), planOf(true)).length, 4)
  progress.see({ kind: 'lag', records: { rows: 9000 } })
  const [bar] = plain(screenLines(progress.status(), planOf(true)).slice(-1))
  assert.equal(bar, `  ${'█'.repeat(7)}${'░'.repeat(23)} 25 %  about 9.0 s left`)
  assert.equal(screenLines(progress.status(), planOf(false)).length, 4)
})

test('a job that has read everything has no lag', () => {
  const { progress } = runningFor3Seconds(planOf(true))
  progress.see({ kind: 'lag', records: { rows: 9000 } })
  progress.see({ kind: 'ended', as: 'stopped' })
  assert.deepEqual(progress.status().lag, { rows: 9000 })
  progress.see({ kind: 'ended', as: 'finished' })
  assert.deepEqual(progress.status().lag, {})
})

test('trouble is seen at once: going back, standing still, halting', () => {
  const { progress } = runningFor3Seconds(planOf(false))
  const error = new MillraceError('the server is away', { code: 'UNAVAILABLE', retry: 'restart' })
  progress.see({ kind: 'rewinding', error, pauseMs: 10 })
  assert.match(plain(screenLines(progress.status(), planOf(false)))[0] ?? '', /p going back.*1× back/)
  progress.see({ kind: 'started', epoch: 2 })
  progress.see({ kind: 'stall', what: 'committing' })
  assert.match(plain(screenLines(progress.status(), planOf(false)))[0] ?? '', /standing still: committing/)
  const { lastProblem, rewinds, epoch, stalled } = progress.status()
  assert.deepEqual(
    [lastProblem?.code, lastProblem?.message, rewinds, epoch, stalled],
    ['UNAVAILABLE', 'the server is away', 1, 2, 'committing'],
  )
})

test('a job that starts over in the same process keeps its totals', () => {
  const { progress } = runningFor3Seconds(planOf(false))
  progress.see({ kind: 'claimed', epoch: 2 })
  progress.see(moved(0, 100))
  assert.equal(progress.status().rows, 3100)
})

test('lines stay below what is printed, fit into the terminal and obey no control character', () => {
  let screen = ''
  const stdout = { isTTY: true, columns: 10, write: (text: string | Uint8Array) => ((screen += String(text)), true) }
  const output = createOutput(false, { stdout, stderr: stdout, environment: { NO_COLOR: '1' } })
  output.live(['one \u001b[31mred', 'two'])
  output.print('said\n')
  output.live([])
  output.print('end\n')
  assert.equal(
    screen,
    'one \\x1b[\u001b[K\ntwo\u001b[K\n\u001b[J' + // shown
      '\r\u001b[2A\u001b[Jsaid\none \\x1b[\u001b[K\ntwo\u001b[K\n\u001b[J' + // printed above
      '\r\u001b[2A\u001b[Jend\n',
  )
})

test('a clipped line keeps its width without its colours, and ends them', () => {
  const line = clip('\u{F0001}abcdef\u{F0000}', 3)
  assert.equal(renderText(line, false), 'abc')
  assert.equal(renderText(line, true), '\u001b[31mabc\u001b[0m')
  assert.equal(clip('abc', 3), 'abc')
})

test('quantities are short and keep their meaning', () => {
  assert.deepEqual([0, 999, 1000, 12_345, 999_999_999].map(formatBytes), [
    '0 B',
    '999 B',
    '1.00 kB',
    '12.3 kB',
    '1000.0 MB',
  ])
  assert.deepEqual([-5, 0, 999, 1500, 61_000, 3_600_000, 100_000_000].map(formatDuration), [
    '0 ms',
    '0 ms',
    '999 ms',
    '1.5 s',
    '1 min 1 s',
    '1 h 0 min',
    '1 d 3 h',
  ])
})
