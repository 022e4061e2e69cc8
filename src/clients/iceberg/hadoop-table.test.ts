import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newestMetadata } from './hadoop-table.ts'

function newest(files: readonly string[], hint?: string): Promise<string> {
  const directory = {
    read: async () => (hint === undefined ? undefined : Buffer.from(hint)),
    exists: async (name: string) => files.includes(name.replace('metadata/', '')),
    list: async () => files,
  }
  return newestMetadata(directory, '/t')
}

const CASES: readonly [what: string, files: readonly string[], hint: string | undefined, found: string][] = [
  ['the hint', ['v1.metadata.json', 'v2.metadata.json'], '2\n', 'v2.metadata.json'],
  [
    'what came after an old hint',
    ['v2.metadata.json', 'v3.gz.metadata.json', 'v4.metadata.json.gz'],
    '2',
    'v4.metadata.json.gz',
  ],
  [
    'the greatest number without a hint',
    ['v9.metadata.json', 'v10.metadata.json', 'x.avro'],
    undefined,
    'v10.metadata.json',
  ],
  ['the greatest number with a hint to nothing', ['v9.metadata.json', 'v10.metadata.json'], '3', 'v10.metadata.json'],
  ['the greatest number with a hint that is none', ['v1.metadata.json'], 'one', 'v1.metadata.json'],
]
for (const [what, files, hint, found] of CASES) {
  test(`the newest metadata is ${what}`, async () => {
    assert.equal(await newest(files, hint), `metadata/${found}`)
  })
}

test('a directory without metadata, or with that of a metastore, is refused', async () => {
  await assert.rejects(newest([]), { code: 'CONFIG', message: /\/t/ })
  const files = ['00001-2e129db5-a0e0-4912-8db5-b7093321fb94.metadata.json']
  await assert.rejects(newest(files), { code: 'CONFIG', message: /catalog/ })
})
