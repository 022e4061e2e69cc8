/** Keeping checkpoints for good and going back to them, with the real program in processes of its own. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { CommandLine, millrace, resultOf } from './command-line.ts'

interface Listed {
  readonly checkpoint: number
  readonly isSavepoint: boolean
  readonly takenBackBy: number | null
  readonly state: string
}

/** A pipeline that follows a file and, after its first checkpoint, cuts none for an hour. It keeps one checkpoint. */
async function makePipeline(): Promise<{ directory: string; add(from: number, to: number): void } & AsyncDisposable> {
  const made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-savepoints-'))
  mkdirSync(path.join(made.path, 'in'))
  const input = path.join(made.path, 'in', 'rows.ndjson')
  const add = (from: number, to: number): void => {
    appendFileSync(input, Array.from({ length: to - from }, (_, at) => `{"id":${from + at}}\n`).join(''))
  }
  add(0, 100)
  writeFileSync(
    path.join(made.path, 'p.yaml'),
    `name: p
parallelism: 1
accept: [append-only-files]
sources:
  rows: {connector: file, path: ./in, format: json, follow: true, schema: {id: bigint}}
sinks:
  out: {from: rows, connector: files, path: ./out, format: ndjson}
checkpoint: {interval: 1h, retained: 1, storage: ./state}
`,
  )
  return { directory: made.path, add, [Symbol.asyncDispose]: () => made.remove() }
}

const isConfirmed = (event: { readonly event?: string }): boolean => event.event === 'confirmed'

async function untilRead(directory: string, rows: number): Promise<void> {
  const read = async (): Promise<number | undefined> =>
    (await resultOf<{ running: { rows: number } | null }>(directory, 'status', 'p.yaml')).running?.rows
  while ((await read()) !== rows);
}

async function listed(directory: string): Promise<Listed[]> {
  return (await resultOf<{ checkpoints: Listed[] }>(directory, 'checkpoints', 'p.yaml')).checkpoints
}

test('a running job cuts a checkpoint for a savepoint, and the log collects it no more', async () => {
  await using pipeline = await makePipeline()
  const { directory, add } = pipeline
  const none = await millrace(directory, 'savepoint', 'p.yaml')
  assert.deepEqual([none.code, /no confirmed checkpoint yet/.test(none.err)], [64, true])
  {
    await using job = new CommandLine(directory, 'run', 'p.yaml')
    await job.event(isConfirmed)
    add(100, 200)
    await untilRead(directory, 200)
    const now = await resultOf<{ checkpoint: number; isNew: boolean }>(directory, 'savepoint', 'p.yaml')
    assert.deepEqual([now.checkpoint, now.isNew], [2, true], 'the next one was due in an hour')
    const again = await millrace(directory, 'savepoint', 'p.yaml')
    assert.match(again.out, /checkpoint 2 was kept before/, 'nothing new was read')
    add(200, 300)
    await untilRead(directory, 300)
    assert.equal((await millrace(directory, 'stop', 'p.yaml')).code, 0)
  }
  const list = await listed(directory)
  assert.deepEqual(
    list.map(({ checkpoint, isSavepoint, state }) => [checkpoint, isSavepoint, state]),
    [
      [2, true, 'confirmed'],
      [3, false, 'confirmed'],
    ],
  )
  assert.match((await millrace(directory, 'checkpoints', 'p.yaml', '2')).out, /confirmed, savepoint[^]*rows\.ndjson/)
  const stopped = await millrace(directory, 'savepoint', 'p.yaml')
  assert.match(stopped.out, /checkpoint 3 is kept as a savepoint/)
})

test('a savepoint that was killed at its copy is made by the next try', async () => {
  await using pipeline = await makePipeline()
  const { directory } = pipeline
  {
    await using job = new CommandLine(directory, 'run', 'p.yaml')
    await job.event(isConfirmed)
    assert.equal((await millrace(directory, 'stop', 'p.yaml')).code, 0)
  }
  for (const point of ['savepoint.copy:before', 'store.manifest.publish:before', 'savepoint.copy:after']) {
    const environment = { MILLRACE_FAILPOINTS: `${point}=kill` }
    await using killed = new CommandLine({ directory, environment }, 'savepoint', 'p.yaml')
    assert.equal((await killed.ended()).signal, 'SIGKILL')
  }
  assert.equal((await resultOf<{ isNew: boolean }>(directory, 'savepoint', 'p.yaml')).isNew, false)
  assert.deepEqual(
    (await listed(directory)).map(({ checkpoint, isSavepoint }) => [checkpoint, isSavepoint]),
    [[1, true]],
  )
})

/** Ids that a reader of the sink's directory sees. */
function visibleIds(directory: string): number[] {
  const out = path.join(directory, 'out')
  return readdirSync(out)
    .filter((name) => /^[^._].*json$/.test(name))
    .flatMap((name) => readFileSync(path.join(out, name), 'utf8').trimEnd().split('\n'))
    .map((line) => Number((JSON.parse(line) as { id: string | number }).id))
    .sort((one, other) => one - other)
}

const idsUpTo = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at)

test('a job goes back to a savepoint only with --rewind, and writes again exactly what was told', async () => {
  await using pipeline = await makePipeline()
  const { directory, add } = pipeline
  for (const to of [200, 300]) {
    await using job = new CommandLine(directory, 'run', 'p.yaml')
    await job.event(({ event }) => event === 'started')
    await untilRead(directory, 100)
    if (to === 200) assert.equal((await millrace(directory, 'savepoint', 'p.yaml')).code, 0)
    assert.equal((await millrace(directory, 'rollback', 'p.yaml', '--to', '1')).code, 64, 'it is running')
    assert.equal((await millrace(directory, 'stop', 'p.yaml')).code, 0)
    add(to - 100, to)
  }
  const shown = await millrace(directory, 'rollback', 'p.yaml', '--to', '1')
  assert.deepEqual([shown.code, /nothing was done.*--rewind/.test(shown.err)], [64, true])
  assert.match(shown.out, /from checkpoint 2 back to 1[^]*duplicated +voided\nout +100 +0\n/)
  const json = JSON.parse((await millrace(directory, 'rollback', 'p.yaml', '--to', '1', '--json')).out)
  assert.deepEqual([json.ok, json.result.as, json.result.rollback.untold], [false, null, null])
  assert.match((await millrace(directory, 'rollback', 'p.yaml', '--to', '7')).err, /these are: 1, 2/)
  assert.match((await millrace(directory, 'rollback', 'p.yaml', '--to', '2', '--rewind')).err, /is the newest/)

  // Before its entry stands, nothing has happened; after it, the job has gone back, and may do so again.
  for (const [position, newest] of [
    ['before', 2],
    ['after', 3],
  ] as const) {
    const environment = { MILLRACE_FAILPOINTS: `decision.apply:${position}=kill` }
    await using killed = new CommandLine({ directory, environment }, 'rollback', 'p.yaml', '--to', '1', '--rewind')
    assert.equal((await killed.ended()).signal, 'SIGKILL')
    assert.equal((await listed(directory)).at(-1)?.checkpoint, newest)
  }
  const done = await resultOf<{ as: number }>(directory, 'rollback', 'p.yaml', '--to', '1', '--rewind')
  const detail = await millrace(directory, 'checkpoints', 'p.yaml', String(done.as))
  assert.match(detail.out, /rollback to 1 decided .*: back to checkpoint 1/)
  const marks = (await listed(directory)).map(({ checkpoint, takenBackBy }) => [checkpoint, takenBackBy])
  assert.deepEqual(marks.slice(1), [
    [2, 3],
    [3, done.as],
    [done.as, null],
  ])
  assert.match((await millrace(directory, 'checkpoints', 'p.yaml', '2')).out, /confirmed, gone back from \(as 3\)/)
  {
    await using job = new CommandLine(directory, 'run', 'p.yaml')
    await untilRead(directory, 200)
    assert.equal((await millrace(directory, 'stop', 'p.yaml')).code, 0)
    assert.equal((await job.ended()).code, 0)
  }
  assert.deepEqual(
    visibleIds(directory),
    [...idsUpTo(0, 300), ...idsUpTo(100, 200)].toSorted((a, b) => a - b),
  )
})
