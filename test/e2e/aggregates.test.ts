/** Results by key and window, and first rows of keys, through kills and starts with other numbers of lanes; rows out of order. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { openTestBucket, type TestBucket } from '../../scripts/services/s3-bucket.ts'
import { filesOf } from '../../src/checkpoint/kept-state.ts'
import { sinkOf, startWarehouse } from './faults-kit/warehouse.ts'
import { armed, CELLS, cellText, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { endedWell } from './kit/kills.ts'
import { assertBalanced, PipelineHome } from './kit/pipeline-home.ts'
import { linesOf, secondOf } from './kit/ndjson-lines.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
const KILLS = isFull ? 40 : 5
const ROWS = 60_000
const KEYS = 20
const WINDOW = 600
/** Of the windows that take no late rows: some of them end between two rows that come in the wrong order. */
const STRICT = 60
/** A row may be so many seconds older than one before it: most a little, some very much. */
const DISORDER = 25_100
const FILES = [0, 1]

interface Row {
  readonly k: number
  readonly seq: number
  readonly second: number
}

function rowsOf(file: number): Row[] {
  return Array.from({ length: ROWS }, (_, seq) => ({
    k: (seq * 7 + file) % KEYS,
    seq,
    second: DISORDER + seq - ((seq * 7919) % 45) - (seq % 500 === 499 ? 25_000 : 0),
  }))
}

/** Steps that this job comes by: nothing goes wrong in its sinks, nobody stops it, and nothing leaves over a network. */
const DEATHS = CELLS.filter(
  ({ name, position }) =>
    position !== 'sent' &&
    /^(chk|sink|store|commit|confirm|ack|gc|restore|final)\b/.test(name) &&
    name !== 'commit.nth',
)

test('every result is there once and exact, wherever the job is killed and however many lanes go on', (t) =>
  killAndAudit(t, KILLS))

test('so it is with state and checkpoints on S3', async (t) => {
  await using bucket = await openTestBucket()
  await killAndAudit(t, isFull ? KILLS : 2, bucket)
})

async function killAndAudit(t: TestContext, kills: number, bucket?: TestBucket): Promise<void> {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  const columns = ['k', 'n', 'total', 'newest'].map((name) => ({ name, type: 'BIGINT' }))
  const table = { database: 'demo', table: 'totals', model: 'primary', keys: ['k'], columns } as const
  await using server = await startWarehouse('starrocks', { tables: [table] })
  await using home = await PipelineHome.create(bucket)
  mkdirSync(path.join(home.directory, 'in'))
  for (const file of FILES) writeRows(path.join(home.directory, 'in', `${file}.ndjson`), rowsOf(file))
  // Otherwise everything is read before the second checkpoint.
  const slow = `export default (row) => row.seq % 2000n === 0n ? new Promise((go) => setTimeout(() => go(row), 25)) : row\n`
  writeFileSync(path.join(home.directory, 'slow.ts'), slow)
  const write = (parallelism: number): void =>
    home.write({
      parallelism,
      sources: 'rows: {connector: file, path: ./in, format: json, schema: {k: bigint, seq: bigint, at: timestamp(0)}}',
      transforms:
        'slow: {from: rows, module: ./slow.ts}, totals: {from: slow, aggregate: {groupBy: k, aggregates: {n: count(*), total: sum(seq)::bigint, newest: max(seq)}}}, ' +
        `windows: {from: slow, aggregate: {groupBy: k, window: {tumbling: ${WINDOW}s}, ` +
        `watermark: {column: at, delay: ${DISORDER}s}, aggregates: {n: count(*), total: sum(seq)::bigint}}}, ` +
        `strict: {from: slow, aggregate: {groupBy: k, window: {tumbling: ${STRICT}s}, watermark: {column: at}, ` +
        'aggregates: {n: count(*), total: sum(seq)::bigint}}}, ' +
        'once: {from: slow, deduplicate: {key: seq, ttl: 30d}}',
      sinks:
        `keyed: {from: totals, ${sinkOf('starrocks', server).replace('events', 'totals')}, key: [k], writers: 2}, ` +
        'appended: {from: windows, connector: files, path: ./windows, format: ndjson}, ' +
        'late: {from: windows.late, connector: files, path: ./late, format: ndjson}, ' +
        'hasty: {from: strict, connector: files, path: ./strict, format: ndjson}, ' +
        'missed: {from: strict.late, connector: files, path: ./missed, format: ndjson}, ' +
        'firsts: {from: once, connector: files, path: ./once, format: ndjson}',
    })
  const played: string[] = []
  for (let kill = 0; kill < kills; kill++) {
    // Some steps of a start are only taken when there is a checkpoint to go on from.
    const reachable = DEATHS.filter(({ name }) => {
      const isSynced = name === 'store.manifest.fsync' || name === 'store.dirsync'
      return bucket === undefined || !isSynced ? kill > 0 || !/^(restore|gc|final)\b/.test(name) : false
    })
    const [found] = chance.sample(reachable, 1)
    assert.ok(found !== undefined)
    const isOften = /^(chk|sink|store|commit|confirm)\b/.test(found.name)
    const cell: Cell = { ...found, nth: 1 + chance.below(isOften ? 2 : 1) }
    write(1 + chance.below(3))
    await using run = home.start(armed(cell, 'kill'))
    const { code, signal } = await run.ended()
    played.push(`${cellText(cell)} ${signal ?? code}`)
    // A fast machine is through before the last ones.
    if (signal === 'SIGKILL') continue
    assert.equal(code, 0, run.out + run.err)
    break
  }
  t.diagnostic(played.join(', '))
  write(2)
  await using run = home.start()
  await endedWell(run)

  const all = FILES.flatMap(rowsOf)
  const totals = server.rows('demo', 'totals').map(({ k, n, total, newest }) => [k, n, total, newest].map(Number))
  assert.deepEqual(totals.sort(byNumbers), expectedTotals(all))
  assert.deepEqual(linesOf(path.join(home.directory, 'late')), [], 'no row is older than the delay allows')
  const windows = linesOf(path.join(home.directory, 'windows')).map(({ k, window_start, window_end, n, total }) => {
    assert.equal(secondOf(window_end) - secondOf(window_start), WINDOW)
    return [k, secondOf(window_start), n, total].map(Number)
  })
  assert.deepEqual(windows.sort(byNumbers), expectedWindows(all))
  // Whether rows are late without a delay is a matter of speed (late-rows.test.ts makes sure that some are); but each is either
  // counted or late, and no window comes twice.
  const strict = linesOf(path.join(home.directory, 'strict'))
  assert.equal(new Set(strict.map(({ k, window_start }) => `${String(k)} ${String(window_start)}`)).size, strict.length)
  const missed = linesOf(path.join(home.directory, 'missed'))
  t.diagnostic(`${missed.length} rows came too late for ${strict.length} windows without delay`)
  const counted = strict.reduce((sum, { n }) => sum + Number(n), 0)
  const summed = [...strict.map(({ total }) => total), ...missed.map(({ seq }) => seq)]
  assert.equal(counted + missed.length, all.length)
  assert.equal(
    summed.reduce<number>((sum, value) => sum + Number(value), 0),
    sumOf(all),
  )
  const firsts = linesOf(path.join(home.directory, 'once')).map(({ seq }) => Number(seq))
  assert.deepEqual(
    firsts.sort((a, b) => a - b),
    Array.from({ length: ROWS }, (_, seq) => seq),
  )
  const entries = await home.entries()
  assertBalanced(entries)
  const named = new Set(entries.flatMap((entry) => (entry.kind === 'checkpoint' ? filesOf(entry.state) : [])))
  const there = new Set(await stateFilesOf(home, bucket))
  for (const name of named) assert.ok(there.has(name), name)
  assert.ok(named.size > 0)
}

async function stateFilesOf(home: PipelineHome, bucket: TestBucket | undefined): Promise<string[]> {
  if (bucket === undefined) {
    const names = readdirSync(path.join(home.directory, 'state', 'kills', 'state'), { recursive: true })
    return names.map(String)
  }
  const root = 'state/kills/state/'
  const files = await Array.fromAsync(bucket.bucket.list(root))
  return files.map(({ key }) => key.slice(root.length))
}

function writeRows(file: string, rows: readonly Row[]): void {
  const at = (second: number): string => new Date(second * 1000).toISOString().slice(0, 19).replace('T', ' ')
  writeFileSync(file, rows.map(({ k, seq, second }) => `{"k":${k},"seq":${seq},"at":"${at(second)}"}\n`).join(''))
}

function expectedTotals(rows: readonly Row[]): number[][] {
  const byKey = Map.groupBy(rows, ({ k }) => k)
  const totals = [...byKey].map(([k, of]) => [k, of.length, sumOf(of), Math.max(...of.map(({ seq }) => seq))])
  return totals.sort(byNumbers)
}

function expectedWindows(rows: readonly Row[]): number[][] {
  const start = ({ second }: Row): number => Math.floor(second / WINDOW) * WINDOW
  const byWindow = Map.groupBy(rows, (row) => `${row.k} ${start(row)}`)
  return [...byWindow.values()].map((of) => [of[0]?.k ?? -1, start(of[0] as Row), of.length, sumOf(of)]).sort(byNumbers)
}

function sumOf(rows: readonly Row[]): number {
  return rows.reduce((sum, { seq }) => sum + seq, 0)
}

function byNumbers(left: readonly number[], right: readonly number[]): number {
  const index = left.findIndex((value, at) => value !== right[at])
  return index < 0 ? 0 : (left[index] ?? 0) - (right[index] ?? 0)
}
