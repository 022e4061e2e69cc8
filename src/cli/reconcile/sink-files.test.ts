import assert from 'node:assert/strict'
import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { SinkStep } from '../../plan/plan.ts'
import { sinkFiles } from './sink-files.ts'

/** The names of a sink's files below `root`, in their order. */
async function namesOf(root: string, connector: 'files' | 'hudi', through?: number): Promise<string[]> {
  const options = { path: root, ...(connector === 'files' ? { format: 'json' } : { table: 'clicks' }) }
  const step = { kind: 'sink', id: 'out', connector, options } as unknown as SinkStep
  const plan = { name: 'clicks', baseDirectory: '/', s3: undefined }
  const files = await sinkFiles({ step, plan, directory: root, through })
  return files.map((file) => path.relative(root, file)).toSorted()
}

async function put(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true })
    await writeFile(path.join(root, name), text)
  }
}

test('files of later checkpoints are left out, those of others and of nobody stay', async () => {
  await using made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-sink-files-'))
  const names = ['part-e1-c2-l0-0.ndjson', 'part-0123abcd-e3-c10-l1-0.ndjson.gz', 'somebody.ndjson']
  const hidden = ['.millrace/clicks/out/part-e1-c2-l0-1.ndjson', '_SUCCESS']
  await put(made.path, Object.fromEntries([...names, ...hidden].map((name) => [name, ''])))
  assert.deepEqual(await namesOf(made.path, 'files'), names.toSorted())
  assert.deepEqual(await namesOf(made.path, 'files', 9), ['part-e1-c2-l0-0.ndjson', 'somebody.ndjson'])
  assert.deepEqual(await namesOf(path.join(made.path, 'nowhere'), 'files'), [])
})

test('a table is seen as it was before the first commit of a later checkpoint, whatever others and services did', async () => {
  await using made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-sink-files-'))
  const time = (at: number): string => `2026010100000${at}000`
  const commit = (checkpoint: number, job = 'clicks'): string => {
    const owner = { 'millrace.job': job, 'millrace.sink': 'out', 'millrace.epoch': '1' }
    return JSON.stringify({ extraMetadata: { ...owner, 'millrace.checkpoint': String(checkpoint) } })
  }
  const file = (group: string, at: number): string => `${group}_0-0-0_${time(at)}.parquet`
  await put(made.path, {
    '.hoodie/hoodie.properties': '',
    [`.hoodie/${time(1)}.commit`]: commit(1),
    [`.hoodie/${time(2)}.commit`]: commit(9, 'another'),
    [`.hoodie/${time(3)}.commit`]: commit(2),
    [`.hoodie/${time(4)}.replacecommit`]: JSON.stringify({ partitionToReplaceFileIds: { '': ['a', 'c'] } }),
    [`.hoodie/${time(5)}.commit`]: commit(3),
    ...Object.fromEntries(
      [file('a', 1), file('b', 2), file('c', 3), file('d', 4), file('e', 5)].map((one) => [one, '']),
    ),
  })
  assert.deepEqual(await namesOf(made.path, 'hudi'), [file('b', 2), file('d', 4), file('e', 5)])
  assert.deepEqual(await namesOf(made.path, 'hudi', 3), [file('b', 2), file('d', 4), file('e', 5)])
  assert.deepEqual(await namesOf(made.path, 'hudi', 2), [file('b', 2), file('d', 4)])
  assert.deepEqual(await namesOf(made.path, 'hudi', 1), [file('a', 1), file('b', 2)])
})
