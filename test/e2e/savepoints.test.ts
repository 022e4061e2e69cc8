/** Keeping checkpoints for good and going back to them, with the real program in processes of its own. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { CommandLine, millrace, resultOf } from './command-line.ts'

interface Listed {
  readonly checkpoint: number
  readonly isSavepoint: boolean
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
