/** The files sink over object storage: a real server. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openTestBucket } from '../../../scripts/services/s3-bucket.ts'
import { listUploads } from '../../clients/s3/index.ts'
import type { CommitPermit } from '../../core/checkpoint-types.ts'
import type { JsonObject } from '../../core/json.ts'
import { storeOpener } from '../../storage/open-store.ts'
import { bytesBatch } from '../../testkit/bytes-batch.ts'
import { testCoordinatorContext, testLaneContext } from '../../testkit/lane-context.ts'
import { S3FaultProxy } from '../../testkit/s3-fault-proxy.ts'
import { sinkSuite } from '../../testkit/sink-suite.ts'
import { filesSinkOptions } from './options.ts'
import { FilesSink } from './sink.ts'

const shared = await openTestBucket()
after(() => shared[Symbol.asyncDispose]())
const openStore = storeOpener(shared.settings)
/** Only the checkpoint log makes real ones; this sink never looks inside. */
const permit = { checkpoint: 1, epoch: 1 } as CommitPermit
let folders = 0

/** A sink below a prefix of its own, as two jobs see it. */
class Folder {
  readonly name = `out-${++folders}`
  readonly sink = new FilesSink(filesSinkOptions.parse({ path: `s3://${shared.name}/${this.name}`, format: 'json' }))

  coordinator(job = 'job', open = openStore): ReturnType<FilesSink['coordinator']> {
    return this.sink.coordinator(testCoordinatorContext({ job, lanes: 2, openStore: open }))
  }

  writer(lane = 0, job = 'job'): ReturnType<FilesSink['writer']> {
    return this.sink.writer(testLaneContext({ job, lane, lanes: 2, openStore }))
  }

  /** Writes one checkpoint and hands over its committable, as a manifest carries it. */
  async stage(text: string, epoch = 1, job = 'job'): Promise<JsonObject> {
    const writer = this.writer(0, job)
    writer.begin(1, { epoch, checkpoint: 1 })
    await writer.write(bytesBatch([text]))
    const { committables } = await writer.cut({ checkpoint: 2, ticket: { epoch, checkpoint: 2 } })
    await writer.close()
    assert.ok(committables[0] !== undefined)
    return JSON.parse(JSON.stringify(committables[0])) as JsonObject
  }

  async texts(): Promise<string[]> {
    const listed = await Array.fromAsync(shared.bucket.list(`${this.name}/`))
    // For readers, names that begin with a dot are not there.
    const seen = listed.filter(({ key }) => !key.includes('/.'))
    return await Promise.all(seen.map(async ({ key }) => String(await shared.bucket.get(key))))
  }

  async waiting(): Promise<number> {
    return (await Array.fromAsync(listUploads(shared.bucket, `${this.name}/`))).length
  }
}

sinkSuite('files in object storage', async () => {
  const folder = new Folder()
  return {
    coordinator: () => folder.coordinator(),
    writer: (lane) => folder.writer(lane),
    batch: (from, to) => bytesBatch(Array.from({ length: to - from }, (_, at) => `${from + at}`)),
    visible: async () => {
      const texts = await folder.texts()
      return texts.flatMap((text) => text.trimEnd().split('\n').map(Number)).sort((a, b) => a - b)
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
})

test('a commit whose answer is lost is committed once', async () => {
  const folder = new Folder()
  const committable = await folder.stage('{"id":1}')
  await using proxy = await S3FaultProxy.open(shared.endpoint)
  proxy.harm({
    match: ({ method, url }) => method === 'POST' && url.includes('uploadId='),
    harm: { kind: 'drop-reply' },
  })
  const throughProxy = storeOpener({ ...shared.settings, endpoint: proxy.endpoint })
  assert.deepEqual(await folder.coordinator('job', throughProxy).commit(permit, committable), { outcome: 'committed' })
  assert.deepEqual(await folder.coordinator().commit(permit, committable), { outcome: 'already-committed' })
  assert.deepEqual(await folder.texts(), ['{"id":1}\n'])
})

test('a sweep leaves alone what another job has staged below the same prefix', async () => {
  const folder = new Folder()
  await folder.stage('{"id":1}', 1, 'one')
  const others = await folder.stage('{"id":2}', 1, 'other')
  const report = await folder.coordinator('one').sweep({ below: 9, runs: [], keep: [] })
  assert.equal(report.aborted.length, 1)
  assert.equal(await folder.waiting(), 1)
  assert.deepEqual(await folder.coordinator('other').commit(permit, others), { outcome: 'committed' })
})

test('an object of somebody else under the final name is neither replaced nor taken for ours', async () => {
  const folder = new Folder()
  const committable = await folder.stage('{"id":1}')
  await shared.bucket.put(`${folder.name}/${String(committable['name'])}`, Buffer.from('somebody\n'))
  assert.equal((await folder.coordinator().commit(permit, committable)).outcome, 'unknown')
  assert.deepEqual(await folder.texts(), ['somebody\n'])
})

test('a rule of the bucket that removes uploads too soon is refused, and others are told', async () => {
  const rule = (prefix: string, days: number): string =>
    `<Rule><ID>x</ID><Status>Enabled</Status><Filter><Prefix>${prefix}</Prefix></Filter>` +
    `<AbortIncompleteMultipartUpload><DaysAfterInitiation>${days}</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>`
  const folder = new Folder()
  const check = async (rules: string, maxDowntimeMs: number): Promise<string[]> => {
    await using proxy = await S3FaultProxy.open(shared.endpoint)
    const body = `<LifecycleConfiguration>${rules}</LifecycleConfiguration>`
    proxy.harm({ match: ({ url }) => url.includes('lifecycle'), harm: { kind: 'answer', status: 200, code: '', body } })
    const times = { intervalMs: 1000, timeoutMs: 1000, maxDowntimeMs, retained: 3 }
    const open = storeOpener({ ...shared.settings, endpoint: proxy.endpoint })
    const context = { ...testCoordinatorContext({ openStore: open, times }), schema: undefined, lanes: 1 }
    return (await folder.sink.check(context)).map(({ severity, code }) => `${severity} ${code}`)
  }
  const hour = 3_600_000
  assert.deepEqual(await check(rule('', 7), hour), ['info SAFE_DOWNTIME'])
  assert.deepEqual(await check(rule('', 7) + rule(`${folder.name}/`, 1), 25 * hour), [
    'info SAFE_DOWNTIME',
    'error PREFLIGHT',
  ])
  assert.deepEqual(await check(rule('elsewhere/', 1), 25 * hour), [])
  assert.deepEqual(await check('', 25 * hour), [])
  const missing = new FilesSink(filesSinkOptions.parse({ path: 's3://no-such-bucket/x', format: 'json' }))
  const context = { ...testCoordinatorContext({ openStore }), schema: undefined, lanes: 1 }
  await assert.rejects(missing.check(context), { code: 'CONFIG' })
})

test('parts that a rule of the bucket has removed make the outcome unknown', async () => {
  const folder = new Folder()
  const committable = await folder.stage('{"id":1}')
  for await (const { key, uploadId } of listUploads(shared.bucket, `${folder.name}/`)) {
    await shared.bucket.client.send({ doing: 'x', method: 'DELETE', bucket: shared.name, key, query: { uploadId } })
  }
  assert.equal((await folder.coordinator().commit(permit, committable)).outcome, 'unknown')
  assert.equal((await folder.coordinator().evidence([committable]))[0]?.state, 'unknown')
})
