/** The file source over object storage: a real server, every format. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempDisposable, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openTestBucket } from '../../../scripts/services/s3-bucket.ts'
import type { LaneContext } from '../../core/context.ts'
import type { SplitAssignment } from '../../core/source.ts'
import { openLaneDatabase } from '../../dataplane/index.ts'
import { storeOpener } from '../../storage/open-store.ts'
import { testLaneContext, testSourceContext } from '../../testkit/lane-context.ts'
import { readSplits, recordsOf } from '../../testkit/read-splits.ts'
import { sourceSuite, type OpenedSource } from '../../testkit/source-suite.ts'
import { openTableMaker } from '../../testkit/table-maker.ts'
import { connector } from './index.ts'
import { fileSourceOptions } from './options.ts'
import { FileSource } from './source.ts'

const shared = await openTestBucket()
after(() => shared[Symbol.asyncDispose]())
const openStore = storeOpener(shared.settings)
const LINES = 6000
let folders = 0

const newFolder = (): string => `in-${++folders}`
const put = (key: string, text: string | Uint8Array): Promise<void> => shared.bucket.put(key, Buffer.from(text))
const sourceOf = (options: Record<string, unknown>): FileSource => new FileSource(fileSourceOptions.parse(options))
const address = (path: string): string => `s3://${shared.name}/${path}`

async function open(): Promise<OpenedSource> {
  const folder = newFolder()
  const records: string[] = []
  for (const name of ['a', 'b', 'deep/c']) {
    const lines = Array.from({ length: LINES }, (_, at) => JSON.stringify({ name, at, pad: 'x'.repeat(at % 900) }))
    await put(`${folder}/${name}.ndjson`, lines.map((line) => `${line}\n`).join(''))
    records.push(...lines)
  }
  const source = sourceOf({ path: address(`${folder}/**/*.ndjson`), format: 'json' })
  const [replaced, removed] = [newFolder(), newFolder()]
  await put(`${replaced}/x.ndjson`, '{"a":1}\n')
  await put(`${removed}/x.ndjson`, '{"a":1}\n')
  const splitsOf = (folder: string): Promise<readonly SplitAssignment[]> =>
    sourceOf({ path: address(folder), format: 'json' })
      .enumerator(testSourceContext({ openStore }))
      .discover(new Set(), true)
  const [ofReplaced, ofRemoved] = [await splitsOf(replaced), await splitsOf(removed)]
  await put(`${replaced}/x.ndjson`, '{"a":2}\n')
  await shared.bucket.delete(`${removed}/x.ndjson`)
  return {
    records,
    enumerator: () => source.enumerator(testSourceContext({ openStore })),
    reader: () => source.reader(testLaneContext({ openStore })),
    refused: () => [
      { splits: ofReplaced, code: 'POSITION_LOST' },
      { splits: ofRemoved, code: 'POSITION_LOST' },
    ],
    [Symbol.asyncDispose]: async () => undefined,
  }
}

sourceSuite('file over object storage', open)

async function readAll(options: Record<string, unknown>, context: Partial<LaneContext> = {}): Promise<string[]> {
  const source = sourceOf(options)
  const splits = await source.enumerator(testSourceContext({ openStore })).discover(new Set(), true)
  const reader = source.reader(testLaneContext({ openStore, ...context }))
  const { records } = await readSplits(reader, splits)
  await reader.close()
  return records
}

test('names that begin with a dot or an underscore are left out, and a path that is one object is that object', async () => {
  const folder = newFolder()
  for (const name of ['a.json', '_b.json', '.tmp/c.json', 'd/e.json', 'f.csv', 'ab.json']) {
    await put(`${folder}/${name}`, `{"from":"${name}"}\n`)
  }
  const named = async (path: string): Promise<string[]> =>
    (await readAll({ path: address(`${folder}${path}`), format: 'json' }))
      .map((text) => String(JSON.parse(text).from))
      .toSorted()
  assert.deepEqual(await named(''), ['a.json', 'ab.json', 'd/e.json', 'f.csv'])
  assert.deepEqual(await named('/'), ['a.json', 'ab.json', 'd/e.json', 'f.csv'])
  assert.deepEqual(await named('/a.json'), ['a.json'])
  assert.deepEqual(await named('/*.json'), ['a.json', 'ab.json'])
  assert.deepEqual(await named('/**/*.json'), ['a.json', 'ab.json', 'd/e.json'])
  assert.deepEqual(await named('/_b.json'), ['_b.json'])
  assert.deepEqual(await named('/nothing*'), [])
})

/** Text that does not compress to less than half. */
const noise = (of: number): string => createHash('sha256').update(`${of}`).digest('hex')

test('compressed objects of several requests are read whole', async () => {
  const folder = newFolder()
  const lines = Array.from({ length: 120_000 }, (_, at) => `{"id":${at},"noise":"${noise(at)}"}`)
  const bytes = gzipSync(Buffer.from(lines.map((line) => `${line}\n`).join('')))
  assert.ok(bytes.length > 4 * 1024 * 1024)
  await put(`${folder}/a.ndjson.gz`, bytes)
  assert.deepEqual(await readAll({ path: address(`${folder}/*.ndjson.gz`) }), lines)
})

test('Parquet tells its columns, and is read by ranges', async () => {
  const folder = newFolder()
  await using database = await openLaneDatabase({ memoryLimitBytes: 128 * 1024 * 1024 })
  await using maker = await openTableMaker()
  await using directory = await mkdtempDisposable(join(tmpdir(), 'millrace-parquet-'))
  const local = join(directory.path, 'a.parquet')
  await maker.write(local, `SELECT i AS id, 'row ' || i AS name FROM range(30000) t(i)`)
  await put(`${folder}/a.parquet`, await readFile(local))
  const options = fileSourceOptions.parse({ path: address(`${folder}/*.parquet`) })
  const schema = await connector.source?.discoverSchema?.(options, '/', openStore)
  assert.deepEqual(
    schema?.map(({ name, type }) => `${name} ${type}`),
    ['id bigint', 'name varchar'],
  )
  const source = new FileSource(options)
  const splits = await source.enumerator(testSourceContext({ openStore })).discover(new Set(), true)
  const reader = source.reader(
    testLaneContext({ openStore, schema, format: { kind: 'table' }, database: async () => database }),
  )
  let rows = 0
  let sum = 0
  const { rest } = await readSplits(reader, splits, Number.POSITIVE_INFINITY, async (batch) => {
    assert.ok(batch.body.kind === 'table')
    const [[count, ids] = []] = await database.run(`SELECT count(*), sum(id) FROM "${batch.body.relation}"`)
    rows += Number(count)
    sum += Number(ids)
    return []
  })
  await reader.close()
  assert.deepEqual([rows, sum, rest], [30_000, (29_999 * 30_000) / 2, []])
})

test('followed objects are read once each, as they appear', async () => {
  const folder = newFolder()
  await put(`${folder}/1.json`, '{"n":1}\n{"n":2}')
  const source = sourceOf({ path: address(folder), format: 'json', follow: true })
  const enumerator = source.enumerator(testSourceContext({ openStore }))
  const first = await enumerator.discover(new Set(), true)
  const reader = source.reader(testLaneContext({ openStore }))
  reader.assign(first)
  const known = new Set(first.map(({ split }) => split))
  await put(`${folder}/2.json`, '{"n":3}\n')
  const second = await enumerator.discover(known, false)
  assert.deepEqual(
    second.map(({ split }) => split),
    [address(`${folder}/2.json`)],
  )
  reader.add(second)
  const seen: string[] = []
  for (let ended = 0; ended < 2;) {
    for (const item of await reader.poll(new AbortController().signal)) {
      if (item.kind === 'split-end') ended++
      if (item.kind !== 'batch') continue
      seen.push(...recordsOf(item))
      item.release()
    }
  }
  await reader.close()
  assert.deepEqual(seen, ['{"n":1}', '{"n":2}', '{"n":3}'])
})
