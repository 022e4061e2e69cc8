/** Sessions given early, into tables by key on real servers: one that grows or joins another takes back what it was, through kills. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandLine } from './command-line.ts'
import { armed, cellText, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { endedWell, isConfirmed } from './kit/kills.ts'
import { assertBalanced, PipelineHome } from './kit/pipeline-home.ts'
import { sessionTable, type SessionTable } from './kit/targets-on-sql.ts'

const chance = Chance.ofThisRun()
const isFull = process.env['MILLRACE_FULL'] === '1'
const KEYS = 5
const FILES = [0, 1]
/** Seconds. */
const GAP = 10
const DELAY = 10
const LATENESS = 90
/** Event time goes on so far from one start to the next: some sessions of before can still grow, others have closed. */
const STEP = 50
/** Rows are less than this older than the newest, so that none is late. */
const DISORDER = 100
const ROWS = 24

const DEATHS: readonly Cell[] = [
  { name: 'sink.flush', position: 'after', nth: 1 },
  { name: 'sink.prepare', position: 'after', nth: 1 },
  { name: 'store.manifest.publish', position: 'before', nth: 1 },
  { name: 'commit', position: 'before', nth: 1 },
  { name: 'commit', position: 'sent', nth: 1 },
  { name: 'commit', position: 'after', nth: 1 },
  { name: 'confirm', position: 'after', nth: 1 },
]

interface Row {
  readonly k: number
  readonly second: number
}

/** Either of them in a short run: what differs is one statement. */
const SERVERS = isFull ? (['mariadb', 'postgres'] as const) : chance.sample(['mariadb', 'postgres'] as const, 1)

for (const kind of SERVERS) {
  test(`a table in ${kind} holds the sessions of all rows so far, and none of what they were before`, async (t) =>
    await growAndJoin(t, kind))
}

async function growAndJoin(t: TestContext, kind: 'mariadb' | 'postgres'): Promise<void> {
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using table = await sessionTable(kind)
  await using home = await PipelineHome.create()
  mkdirSync(path.join(home.directory, 'in'))
  home.write({
    accept: 'append-only-files',
    sources:
      'rows: {connector: file, path: ./in, format: json, follow: true, schema: {k: bigint, second: bigint, at: timestamp(0)}}',
    transforms:
      `sessions: {from: rows, aggregate: {groupBy: k, window: {session: ${GAP}s}, watermark: {column: at, delay: ${DELAY}s}, ` +
      `lateness: ${LATENESS}s, emit: {every: 50ms}, aggregates: {n: count(*), total: sum(second)::bigint}}}`,
    sinks: `out: {from: sessions, ${table.options}}, late: {from: sessions.late, connector: files, path: ./late, format: ndjson}`,
    delivery: 'exact',
  })
  const all: Row[] = []
  const read = (newest: number): void => {
    for (const file of FILES) {
      const rows = rowsOf(file, newest)
      all.push(...rows)
      appendFileSync(path.join(home.directory, 'in', `${file}.ndjson`), rows.map(lineOf).join(''))
    }
  }
  let newest = 1000
  read(newest)
  await using first = home.start()
  await settled(first, table, all)
  first.signal('SIGKILL')
  await first.ended()
  const before = await table.read()

  for (const death of chance.sample(DEATHS, isFull ? DEATHS.length : 1)) {
    read((newest += STEP))
    await using run = home.start(armed(death, 'kill'))
    assert.equal((await run.ended()).signal, 'SIGKILL', `${cellText(death)}: ${run.out}${run.err}`)
  }

  // With these rows in its first checkpoint, the next start gives other sessions than the one that was killed.
  read(newest)
  await using last = home.start()
  await settled(last, table, all)
  await last.event(isConfirmed)
  last.signal('SIGTERM')
  await endedWell(last)
  const after = new Set(await table.read())
  assert.ok(
    before.some((session) => !after.has(session)),
    'some of the first sessions have become others',
  )
  assertBalanced(await home.entries())
}

/** Rows of a file: the newest ones first, so that event time has come as far. Files share their keys. */
function rowsOf(file: number, newest: number): Row[] {
  return Array.from({ length: ROWS }, (_, at) => ({
    k: (at + file) % KEYS,
    second: at < KEYS ? newest : newest - chance.below(DISORDER),
  }))
}

/** Waits until the table holds what it has to. */
async function settled(run: CommandLine, table: SessionTable, rows: readonly Row[]): Promise<void> {
  const wanted = sessionsOf(rows)
  for (let left = 1800; left > 0 && !run.hasEnded; left--) {
    if ((await table.read()).join('\n') === wanted.join('\n')) return
    await pause(50)
  }
  assert.deepEqual(await table.read(), wanted, run.out + run.err)
}

/** `key start end count total` of every session, on paper. */
function sessionsOf(rows: readonly Row[]): string[] {
  const byKey = Map.groupBy(rows, ({ k }) => k)
  return [...byKey]
    .flatMap(([k, of]) => {
      const sessions: { start: number; end: number; n: number; total: number }[] = []
      for (const { second } of of.toSorted((left, right) => left.second - right.second)) {
        const last = sessions.at(-1)
        if (last === undefined || second >= last.end) {
          sessions.push({ start: second, end: second + GAP, n: 1, total: second })
          continue
        }
        last.end = second + GAP
        last.n += 1
        last.total += second
      }
      return sessions.map(({ start, end, n, total }) => `${k} ${start} ${end} ${n} ${total}`)
    })
    .toSorted()
}

function lineOf({ k, second }: Row): string {
  const at = new Date(second * 1000).toISOString().slice(0, 19).replace('T', ' ')
  return `{"k":${k},"second":${second},"at":"${at}"}\n`
}
