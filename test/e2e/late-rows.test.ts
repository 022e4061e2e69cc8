/** Rows that come behind the end of their window leave by the side output, each once, also when the job is killed with them. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandLine } from './command-line.ts'
import { armed, cellText, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { endedWell, isConfirmed } from './kit/kills.ts'
import { assertBalanced, PipelineHome } from './kit/pipeline-home.ts'
import { linesOf, secondOf } from './kit/ndjson-lines.ts'

const WINDOW = 60
const KEYS = 4

const DEATHS: readonly Cell[] = [
  { name: 'sink.prepare', position: 'before', nth: 1 },
  { name: 'store.manifest.publish', position: 'before', nth: 1 },
  { name: 'commit', position: 'before', nth: 1 },
  { name: 'commit', position: 'after', nth: 1 },
  { name: 'confirm', position: 'after', nth: 1 },
]

/** One row for each second, in their order. */
const seconds = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at)

test('late rows leave by the side output once each, whatever kills the job, and no window that was given counts them', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using home = await PipelineHome.create()
  const file = path.join(home.directory, 'in', 'rows.ndjson')
  mkdirSync(path.dirname(file))
  home.write({
    accept: 'append-only-files',
    sources:
      'rows: {connector: file, path: ./in, format: json, follow: true, schema: {k: bigint, second: bigint, at: timestamp(0)}}',
    transforms:
      `strict: {from: rows, aggregate: {groupBy: k, window: {tumbling: ${WINDOW}s}, watermark: {column: at}, ` +
      'aggregates: {n: count(*), total: sum(second)::bigint}}}',
    sinks:
      'windows: {from: strict, connector: files, path: ./windows, format: ndjson}, ' +
      'late: {from: strict.late, connector: files, path: ./late, format: ndjson}',
  })
  const append = (...some: readonly number[]): void => appendFileSync(file, some.map(lineOf).join(''))
  const windows = (): Record<string, unknown>[] => linesOf(path.join(home.directory, 'windows'))
  const late = (): Record<string, unknown>[] => linesOf(path.join(home.directory, 'late'))

  append(...seconds(0, 300))
  await using first = home.start()
  // The windows that begin at 0, 60, 120 and 180 have ended then, in a checkpoint that every later start goes on from.
  await until(first, () => windows().length === 4 * KEYS)
  assert.deepEqual(late(), [])
  first.signal('SIGKILL')
  await first.ended()

  append(...seconds(10, 50), ...seconds(300, 420), ...seconds(70, 80), ...seconds(420, 425))
  const [death] = chance.sample(DEATHS, 1)
  assert.ok(death !== undefined)
  await using second = home.start(armed(death, 'kill'))
  assert.equal((await second.ended()).signal, 'SIGKILL', `${cellText(death)}: ${second.out}${second.err}`)

  await using third = home.start()
  // Everything may be there already, before the program takes signals.
  append(...seconds(425, 430))
  await third.event(isConfirmed)
  await until(third, () => late().length >= 50 && windows().length >= 7 * KEYS)
  third.signal('SIGTERM')
  await endedWell(third)
  const lateSeconds = late().map((row) => Number(row['second']))
  assert.deepEqual(lateSeconds.toSorted(byNumber), [...seconds(10, 50), ...seconds(70, 80)], cellText(death))
  const found = windows().map(({ k, window_start, n, total }) => [secondOf(window_start), k, n, total].map(Number))
  assert.deepEqual(found.toSorted(byFirsts), expected(seconds(0, 420)), cellText(death))
  assertBalanced(await home.entries())
})

/** Results of all windows of these rows. */
function expected(rows: readonly number[]): number[][] {
  const groups = Map.groupBy(rows, (second) => Math.floor(second / WINDOW) * KEYS + (second % KEYS))
  return [...groups]
    .map(([group, of]) => {
      const total = of.reduce((sum, second) => sum + second, 0)
      return [Math.floor(group / KEYS) * WINDOW, group % KEYS, of.length, total]
    })
    .toSorted(byFirsts)
}

async function until(run: CommandLine, isThere: () => boolean): Promise<void> {
  for (let left = 1800; !isThere(); left--) {
    assert.ok(left > 0 && !run.hasEnded, `it does not come:\n${run.out}${run.err}`)
    await pause(100)
  }
}

function lineOf(second: number): string {
  const at = new Date(second * 1000).toISOString().slice(0, 19).replace('T', ' ')
  return `{"k":${second % KEYS},"second":${second},"at":"${at}"}\n`
}

function byNumber(left: number, right: number): number {
  return left - right
}

/** By window and key. */
function byFirsts([one = 0, k = 0]: readonly number[], [other = 0, l = 0]: readonly number[]): number {
  return one - other || k - l
}
