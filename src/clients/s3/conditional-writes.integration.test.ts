/**
 * Writing only what is not there, through bad networks: a real server behind a proxy that does harm, in the words of S3 and
 * in those of Alibaba OSS.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { S3_KEYS } from '../../../scripts/services/s3.ts'
import { hostedAt, openTestBucket } from '../../../scripts/services/s3-bucket.ts'
import { OssStandIn } from '../../testkit/oss-stand-in.ts'
import { S3FaultProxy, type SeenRequest } from '../../testkit/s3-fault-proxy.ts'
import { caught, isAny, isPut, Trouble, type TroubledServer } from '../../testkit/s3-trouble.ts'
import { abortUpload, beginUpload, completeUpload, createObject, uploadPart, type Bucket } from './index.ts'
import { proveConditions } from './prove-conditions.ts'

const shared = await openTestBucket()
after(() => shared[Symbol.asyncDispose]())
const behind = { target: shared.hosted.endpoint ?? '', keys: S3_KEYS }
const oss = await OssStandIn.open(behind)
after(() => oss[Symbol.asyncDispose]())
let keys = 0
const newKey = (): string => `writes/${++keys}`

const asOss = (endpoint: string): ReturnType<typeof hostedAt> => ({ ...hostedAt(endpoint), flavor: 'oss' })
/** `exists`: the status of a write that the condition forbids. */
type Server = TroubledServer & { readonly name: string; readonly exists: number }
const SERVERS: readonly Server[] = [
  { name: 'S3', exists: 412, bucket: shared, endpoint: shared.endpoint },
  { name: 'OSS', exists: 409, bucket: shared, endpoint: oss.endpoint, settings: asOss },
]

const isCompletion = ({ method, url }: SeenRequest): boolean => method === 'POST' && /[?&]uploadId=/.test(url)
const text = async (key: string): Promise<string | undefined> => (await shared.bucket.get(key))?.toString()

for (const server of SERVERS) {
  const direct = shared.through(server.endpoint, {}, server.settings?.(server.endpoint))
  describe(`conditional writes as ${server.name} has them`, () => {
    creationTests(server, direct)
    completionTests(server, direct)
    proofTests(server, direct)
  })
}

function creationTests(server: Server, direct: Bucket): void {
  test('a creation whose answer is lost is ours', async () => {
    await using trouble = await Trouble.with(server, isPut, { kind: 'drop-reply' })
    const key = newKey()
    assert.equal(await createObject(trouble.bucket, key, Buffer.from('mine')), 'created')
    assert.equal(await text(key), 'mine')
    assert.equal(
      await createObject(trouble.bucket, key, Buffer.from('mine')),
      'exists',
      'the same bytes of another call',
    )
  })

  test('a creation whose answer is lost again and again is ours, and written once', async () => {
    await using trouble = await Trouble.with(server, isPut, { kind: 'drop-reply' }, 3)
    trouble.proxy.harm({ match: ({ method }) => method === 'HEAD', harm: { kind: 'reset' }, times: 2 })
    assert.equal(await createObject(trouble.bucket, newKey(), Buffer.from('mine')), 'created')
  })

  test('after a broken connection, an object that somebody else made is theirs', async () => {
    await using trouble = await Trouble.with(server, isPut, { kind: 'reset' })
    const key = newKey()
    await createObject(direct, key, Buffer.from('theirs'))
    assert.equal(await createObject(trouble.bucket, key, Buffer.from('theirs')), 'exists')
  })

  for (const [status, code] of [
    [409, 'ConditionalRequestConflict'],
    [503, 'SlowDown'],
    [500, 'InternalError'],
    [429, 'TooManyRequests'],
  ] as const) {
    test(`${status} ${code} is no outcome: the creation is tried again`, async () => {
      await using trouble = await Trouble.with(server, isPut, { kind: 'answer', status, code }, 3)
      const key = newKey()
      assert.equal(await createObject(trouble.bucket, key, Buffer.from('x')), 'created')
      assert.equal(await text(key), 'x')
      assert.equal(trouble.proxy.seen.filter(isPut).length, 4)
    })
  }

  test('a request that arrives after its sender gave up changes nothing', async () => {
    await using trouble = await Trouble.with(server, isPut, { kind: 'late' })
    const key = newKey()
    assert.equal(await createObject(trouble.bucket, key, Buffer.from('second try')), 'created')
    assert.deepEqual(await trouble.proxy.deliverLate(), [server.exists])
    assert.equal(await text(key), 'second try')
  })

  test('a creation that never learns its outcome says so', async () => {
    await using trouble = await Trouble.with(server, isAny, { kind: 'reset' }, Number.POSITIVE_INFINITY)
    const error = await caught(createObject(trouble.bucket, newKey(), Buffer.from('x')))
    assert.deepEqual([error.code, error.retry, error.detail['isUnresolved']], ['UNAVAILABLE', 'restart', true])
  })

  test('a creation that surely did not happen does not claim to be unknown', async () => {
    const closed = await S3FaultProxy.open(server.endpoint)
    const { endpoint } = closed
    await closed[Symbol.asyncDispose]()
    const bucket = shared.through(endpoint, { retryMs: 100 }, server.settings?.(endpoint))
    const error = await caught(createObject(bucket, newKey(), Buffer.from('x')))
    assert.deepEqual([error.code, error.retry, error.detail['isUnresolved']], ['UNAVAILABLE', 'restart', undefined])
  })
}

function completionTests(server: TroubledServer, direct: Bucket): void {
  for (const [what, harm] of [
    ['whose answer is lost', { kind: 'drop-reply' }],
    ['that is answered with an error in a 200', { kind: 'answer', status: 200, code: 'InternalError' }],
    ['that is refused with a conflict', { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }],
  ] as const) {
    test(`a completion ${what} is completed once`, async () => {
      await using trouble = await Trouble.with(server, isCompletion, harm)
      const key = newKey()
      const upload = await beginUpload(trouble.bucket, key)
      const etags = [await uploadPart(trouble.bucket, upload, 1, Buffer.from('part'))]
      assert.equal(await text(key), undefined)
      assert.equal(await completeUpload(trouble.bucket, upload, etags), 'completed')
      assert.equal(await text(key), 'part')
      assert.equal(await completeUpload(trouble.bucket, upload, etags), 'completed', 'by another life of the process')
    })
  }

  test('a completion does not replace the object of somebody else, and knows when its parts are gone', async () => {
    const key = newKey()
    const upload = await beginUpload(direct, key)
    const etags = [await uploadPart(direct, upload, 1, Buffer.from('ours'))]
    await direct.put(key, Buffer.from('theirs'))
    assert.equal(await completeUpload(direct, upload, etags), 'exists')
    await direct.delete(key)
    await abortUpload(direct, upload)
    assert.equal(await completeUpload(direct, upload, etags), 'gone')
    const late = await caught(uploadPart(direct, upload, 2, Buffer.from('more')))
    assert.deepEqual([late.code, late.retry], ['UNAVAILABLE', 'restart'])
  })
}

function proofTests(server: TroubledServer, direct: Bucket): void {
  test('a server that ignores the condition is found out, each time', async () => {
    await using trouble = await Trouble.with(server, isPut, { kind: 'ignore-condition' }, Number.POSITIVE_INFINITY)
    const prefix = `${newKey()}/`
    const error = await caught(proveConditions(trouble.bucket, prefix))
    assert.deepEqual([error.code, error.exitCode], ['PREFLIGHT', 65])
    const { endpoint } = trouble.proxy
    const again = shared.through(endpoint, {}, server.settings?.(endpoint))
    assert.equal((await caught(proveConditions(again, prefix))).code, 'PREFLIGHT')
    await proveConditions(direct, prefix)
    assert.equal((await Array.fromAsync(direct.list(prefix))).length, 1)
  })

  test('a server that does not know the condition is refused', async () => {
    await using trouble = await Trouble.with(server, isPut, { kind: 'answer', status: 501, code: 'NotImplemented' })
    assert.equal((await caught(proveConditions(trouble.bucket, newKey()))).code, 'PREFLIGHT')
  })

  test('a proof whose answers are lost is a proof', async () => {
    await using trouble = await Trouble.with(server, isPut, { kind: 'drop-reply' }, 1)
    await proveConditions(trouble.bucket, `${newKey()}/`)
  })
}

test('an OSS bucket with versions, where its header says nothing, is found out', async () => {
  await using versioned = await OssStandIn.open({ ...behind, isVersioned: true })
  const bucket = shared.through(versioned.endpoint, {}, asOss(versioned.endpoint))
  const error = await caught(proveConditions(bucket, `${newKey()}/`))
  assert.equal(error.code, 'PREFLIGHT')
  assert.match(error.message, /x-oss-forbid-overwrite\): .*versioning/)
})

test('each server is found out when it is spoken to in the words of the other', async () => {
  for (const [endpoint, flavor] of [
    [shared.endpoint, 'oss'],
    [oss.endpoint, 's3'],
  ] as const) {
    const bucket = shared.through(endpoint, {}, { ...hostedAt(endpoint), flavor })
    assert.equal((await caught(proveConditions(bucket, `${newKey()}/`))).code, 'PREFLIGHT')
  }
})
