/** A table that is put back to a copy while the job is down: the start halts, and `decide` leads on. */
import assert from 'node:assert/strict'
import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { readHudi } from '../../scripts/services/hudi-readers.ts'
import { CommandLine, millrace } from './command-line.ts'

const PIPELINE = `
name: copied
accept: [append-only-files]
checkpoint: {interval: 100ms, storage: ./state}
sources:
  rows: {connector: file, path: './in/*.ndjson', follow: true, schema: {id: bigint}}
sinks:
  table: {from: rows, connector: hudi, path: ./lake, table: copied}
`

/** Runs the job until one more checkpoint is confirmed, then stops it. */
async function runOnce(directory: string): Promise<void> {
  await using job = new CommandLine(directory, 'run', 'copied.yaml')
  await job.event(({ event }) => event === 'confirmed')
  job.signal('SIGTERM')
  assert.deepEqual(await job.ended(), { code: 0, signal: null }, job.out + job.err)
}

/** Two rows, a copy of the table or of the log, a third row; then the copy stands where the newer state stood. */
async function writeAndPutBack(directory: string, part: 'lake' | 'state'): Promise<void> {
  const at = (name: string): string => path.join(directory, name)
  writeFileSync(at('copied.yaml'), PIPELINE)
  mkdirSync(at('in'))
  writeFileSync(at('in/rows.ndjson'), '{"id":1}\n{"id":2}\n')
  await runOnce(directory)
  cpSync(at(part), at('copy'), { recursive: true })
  appendFileSync(at('in/rows.ndjson'), '{"id":3}\n')
  await runOnce(directory)
  rmSync(at(part), { recursive: true })
  cpSync(at('copy'), at(part), { recursive: true })
}

test('a table that was put back halts with 74, and a rewind reads what is missing again', async () => {
  await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-back-'))
  await writeAndPutBack(home.path, 'lake')

  const halted = await millrace(home.path, 'run', 'copied.yaml')
  assert.equal(halted.code, 74, halted.err)
  assert.match(halted.err, /SINK_WENT_BACK the sink "table" does not hold checkpoint 2 any more/)
  const shown = await millrace(home.path, 'decide', 'copied.yaml')
  assert.match(shown.out, /checkpoint 2, sink table: 1 rows are lost/)
  const decided = await millrace(home.path, 'decide', 'copied.yaml', 'rewind', '--yes')
  assert.equal(decided.code, 0, decided.err)
  await runOnce(home.path)
  const { columns } = await readHudi(path.join(home.path, 'lake'), { columns: ['id'] })
  assert.deepEqual(columns?.['id']?.toSorted(), ['1', '2', '3'])
})

test('a checkpoint log that was put back to an older copy is refused, and nothing is written twice', async () => {
  await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-back-'))
  await writeAndPutBack(home.path, 'state')

  const halted = await millrace(home.path, 'run', 'copied.yaml')
  assert.equal(halted.code, 68, halted.err)
  assert.match(halted.err, /put back to an older copy/)
  const { columns } = await readHudi(path.join(home.path, 'lake'), { columns: ['id'] })
  assert.deepEqual(columns?.['id']?.toSorted(), ['1', '2', '3'])
})
