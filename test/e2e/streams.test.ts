/** Streams that come together and rows that are taken apart, in jobs that are killed. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { endedWell } from './kit/kills.ts'
import { assertBalanced, PipelineHome } from './kit/pipeline-home.ts'

const ROWS = 3000

test('a union of two files, its lists taken apart: every element is there once after a kill', async () => {
  await using home = await PipelineHome.create()
  write(home, 'old', ROWS, (id) => ({ id, tags: [`a${id}`, `b${id}`] }))
  write(home, 'new', ROWS, (id) => ({ extra: 1, tags: id % 3 === 0 ? [] : [`c${id}`], id: ROWS + id }))
  home.write({
    sources:
      'old: {connector: file, path: ./old, format: json, schema: {id: bigint, tags: json}}, ' +
      'new: {connector: file, path: ./new, format: json, schema: {extra: bigint, tags: json, id: bigint}}',
    transforms:
      "every: {from: [old, new], union: {missing: 'null'}}, " +
      'tags: {from: every, explode: {column: tags, as: varchar, position: n}}',
    sinks: 'out: {from: tags, connector: files, path: ./out, format: ndjson}',
  })
  {
    await using killed = home.start('commit:before@1=kill')
    assert.equal((await killed.ended()).signal, 'SIGKILL')
  }
  await using run = home.start()
  await endedWell(run)
  const ids = Array.from({ length: ROWS }, (_, id) => id)
  const expected = ids.flatMap((id) => [
    `${id} 0 a${id} none`,
    `${id} 1 b${id} none`,
    ...(id % 3 === 0 ? [] : [`${ROWS + id} 0 c${id} 1`]),
  ])
  const found = linesOf(home, 'out').map(({ id, n, tags, extra }) => `${id} ${n} ${tags} ${extra ?? 'none'}`)
  assert.deepEqual(found.sort(), expected.sort())
  assertBalanced(await home.entries())
})

function write(home: PipelineHome, name: string, rows: number, row: (id: number) => object): void {
  mkdirSync(path.join(home.directory, name))
  const lines = Array.from({ length: rows }, (_, id) => `${JSON.stringify(row(id))}\n`)
  writeFileSync(path.join(home.directory, name, '0.ndjson'), lines.join(''))
}

function linesOf({ directory }: PipelineHome, name: string): Record<string, unknown>[] {
  const folder = path.join(directory, name)
  const files = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : []
  return files
    .filter((file) => /^[^._].*\.ndjson$/.test(file))
    .flatMap((file) => readFileSync(path.join(folder, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
