import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { mkdir, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { answerOf } from './testing/answer.ts'

interface Envelope {
  readonly ok: boolean
  readonly result: Readonly<Record<string, unknown>>
  readonly findings: readonly { readonly message: string }[]
}

const millrace = (...argv: string[]): Promise<Envelope & { readonly code: number }> => answerOf<Envelope>(...argv)

test('letters are counted by reason, driven in again with repaired bytes, once, and dropped', async () => {
  await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-dlq-'))
  const at = (name: string): string => path.join(home.path, name)
  const file = at('p.yaml')
  await mkdir(at('in'))
  await writeFile(at('in/rows.ndjson'), '{"id":1}\n{"id":"x"}\n{"id":3\n{"id":4}\nno object\n')
  await writeFile(
    file,
    `name: p
parallelism: 1
checkpoint: {storage: ./state}
sources:
  ev: {connector: file, path: ./in, format: json, schema: {id: bigint}, deadLetter: {to: bad, maxRatio: 1}}
sinks:
  out: {from: ev, connector: files, path: ./out, format: json}
  bad: {connector: files, path: ./bad, format: json, compression: zstd}
`,
  )
  const rows = async (): Promise<string[]> => {
    const files = globSync('out/**/*.ndjson', { cwd: home.path })
    const texts = await Promise.all(files.map((name) => readFile(at(name), 'utf8')))
    return texts.flatMap((text) => text.split('\n').filter((line) => line !== '')).toSorted()
  }
  const reasons = async (...more: string[]): Promise<unknown> =>
    ((await millrace('dlq', 'list', file, ...more)).result['reasons'] as { reason: string; letters: number }[])
      .map(({ reason, letters }) => `${letters} ${reason}`)
      .toSorted()

  assert.ok((await millrace('run', file)).ok)
  assert.deepEqual(await rows(), ['{"id":1}', '{"id":4}'])
  const notAnObject = '1 not a JSON object on a line of its own'
  assert.deepEqual(await reasons(), ['1 broken JSON', notAnObject, '1 not an integer'])
  const shown = (await millrace('dlq', 'show', file, '2')).result['letters'] as { raw: string; attempt: number }[]
  assert.deepEqual([shown[0]?.raw, shown[0]?.attempt], ['{"id":3', 1])

  assert.equal((await millrace('dlq', 'drop', file, '3', '--yes')).result['dropped'], 1)

  // One is repaired; the other one fails again.
  await writeFile(at('repaired.ndjson'), '{"id":2}\n{"id":3\n')
  const retried = await millrace('dlq', 'retry', file, '--with', at('repaired.ndjson'))
  assert.equal(retried.result['retried'], 2, JSON.stringify(retried))
  assert.deepEqual(await rows(), ['{"id":1}', '{"id":2}', '{"id":4}'])
  assert.deepEqual(await reasons(), ['1 broken JSON'])
  assert.deepEqual(await reasons('--all'), [notAnObject, '1 not an integer', '2 broken JSON'])

  // The same letters once more: the job that drove them in has ended.
  await millrace('dlq', 'retry', file, '--all', '--max-attempts', '2', '--with', at('repaired.ndjson'), '1', '2')
  assert.equal((await rows()).length, 3)

  const guarded = await millrace('dlq', 'retry', file, '--max-attempts', '2')
  assert.match(guarded.findings[0]?.message ?? '', /1 of these letters failed 2 times already/)
  const unsure = await millrace('dlq', 'drop', file)
  assert.match(unsure.findings[0]?.message ?? '', /1 dead letters would be dropped: add --yes/)
  assert.equal((await millrace('dlq', 'drop', file, '--yes', '--because', 'tests')).result['dropped'], 1)
  assert.deepEqual(await reasons(), [])
})
