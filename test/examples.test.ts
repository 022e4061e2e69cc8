/** The examples are complete: `check` finds nothing in any pipeline file, without a setting and without a server. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { resultOf } from './e2e/command-line.ts'
import { lineCount, listFiles, repository } from './tidy/source-tree.ts'

interface Checked {
  readonly pipelines: readonly { readonly file: string; readonly delivery: string; readonly ok: boolean }[]
}

const files = listFiles('examples/*.yaml', 'examples/*/pipeline.yaml')
const folders = [...new Set(listFiles('examples/*/*').map((file) => path.posix.dirname(file)))]

test('every pipeline file of the examples passes check, and is exactly once', async () => {
  const { pipelines } = await resultOf<Checked>(repository, 'check', ...files)
  assert.deepEqual(
    pipelines.map(({ file, delivery, ok }) => [file, delivery, ok]),
    files.map((file) => [file, 'atomic', true]),
  )
})

test('every folder of the examples has a pipeline file, a short page and a script that runs it', () => {
  assert.ok(folders.length > 0)
  for (const folder of folders) {
    const there = listFiles(`${folder}/*`).map((file) => path.posix.basename(file))
    for (const name of ['README.md', 'pipeline.yaml', 'run.sh']) assert.ok(there.includes(name), `${folder}/${name}`)
    assert.ok(lineCount(`${folder}/README.md`) <= 40, `${folder}/README.md has more than 40 lines`)
  }
})
