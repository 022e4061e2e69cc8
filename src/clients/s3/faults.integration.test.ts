/** What bad networks and busy servers do to requests, against a real server behind a proxy that does harm. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openTestBucket } from '../../../scripts/services/s3-bucket.ts'
import { MillraceError } from '../../core/errors.ts'
import { S3FaultProxy, type Fault, type Harm, type SeenRequest } from '../../testkit/s3-fault-proxy.ts'
import { abortUpload, beginUpload, Bucket, completeUpload, createObject, S3Client, uploadPart } from './index.ts'
import { proveConditions } from './prove-conditions.ts'

const shared = await openTestBucket()
after(() => shared[Symbol.asyncDispose]())
let keys = 0
const newKey = (): string => `faults/${++keys}`

const isPut = ({ method }: SeenRequest): boolean => method === 'PUT'
const isGet = ({ method }: SeenRequest): boolean => method === 'GET'
const isAny = (): boolean => true

class Trouble implements AsyncDisposable {
  readonly proxy: S3FaultProxy
  readonly bucket: Bucket

  private constructor(proxy: S3FaultProxy) {
    this.proxy = proxy
    this.bucket = shared.through(proxy.endpoint, { baseMs: 500, retryMs: 3000 })
  }

  static async with(match: Fault['match'], harm: Harm, times = 1): Promise<Trouble> {
    const proxy = await S3FaultProxy.open(shared.endpoint)
    proxy.harm({ match, harm, times })
    return new Trouble(proxy)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]()
  }
}

const text = async (key: string): Promise<string | undefined> => (await shared.bucket.get(key))?.toString()
const caught = async (work: Promise<unknown>): Promise<MillraceError> => {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof MillraceError, String(thrown))
  return thrown
}

test('a creation whose answer is lost is ours', async () => {
  await using trouble = await Trouble.with(isPut, { kind: 'drop-reply' })
  const key = newKey()
  assert.equal(await createObject(trouble.bucket, key, Buffer.from('mine')), 'created')
  assert.equal(await text(key), 'mine')
  assert.equal(await createObject(trouble.bucket, key, Buffer.from('mine')), 'exists', 'the same bytes of another call')
})

test('a creation whose answer is lost again and again is ours, and written once', async () => {
  await using trouble = await Trouble.with(isPut, { kind: 'drop-reply' }, 3)
  trouble.proxy.harm({ match: ({ method }) => method === 'HEAD', harm: { kind: 'reset' }, times: 2 })
  assert.equal(await createObject(trouble.bucket, newKey(), Buffer.from('mine')), 'created')
})

test('after a broken connection, an object that somebody else made is theirs', async () => {
  await using trouble = await Trouble.with(isPut, { kind: 'reset' })
  const key = newKey()
  await createObject(shared.bucket, key, Buffer.from('theirs'))
  assert.equal(await createObject(trouble.bucket, key, Buffer.from('theirs')), 'exists')
})

for (const [status, code] of [
  [409, 'ConditionalRequestConflict'],
  [503, 'SlowDown'],
  [500, 'InternalError'],
  [429, 'TooManyRequests'],
] as const) {
  test(`${status} ${code} is no outcome: the creation is tried again`, async () => {
    await using trouble = await Trouble.with(isPut, { kind: 'answer', status, code }, 3)
    const key = newKey()
    assert.equal(await createObject(trouble.bucket, key, Buffer.from('x')), 'created')
    assert.equal(await text(key), 'x')
    assert.equal(trouble.proxy.seen.filter(isPut).length, 4)
  })
}

test('a request that arrives after its sender gave up changes nothing', async () => {
  await using trouble = await Trouble.with(isPut, { kind: 'late' })
  const key = newKey()
  assert.equal(await createObject(trouble.bucket, key, Buffer.from('second try')), 'created')
  assert.deepEqual(await trouble.proxy.deliverLate(), [412])
  assert.equal(await text(key), 'second try')
})

test('a creation that never learns its outcome says so', async () => {
  await using trouble = await Trouble.with(isAny, { kind: 'reset' }, Number.POSITIVE_INFINITY)
  const error = await caught(createObject(trouble.bucket, newKey(), Buffer.from('x')))
  assert.deepEqual([error.code, error.retry, error.detail['isUnresolved']], ['UNAVAILABLE', 'restart', true])
})

test('a creation that surely did not happen does not claim to be unknown', async () => {
  const closed = await S3FaultProxy.open(shared.endpoint)
  const { endpoint } = closed
  await closed[Symbol.asyncDispose]()
  const bucket = shared.through(endpoint, { retryMs: 100 })
  const error = await caught(createObject(bucket, newKey(), Buffer.from('x')))
  assert.deepEqual([error.code, error.retry, error.detail['isUnresolved']], ['UNAVAILABLE', 'restart', undefined])
})

test('an answer of one byte a second is given up, and asked for again', async () => {
  await using trouble = await Trouble.with(isGet, { kind: 'trickle' })
  const key = newKey()
  await shared.bucket.put(key, Buffer.from('some bytes'))
  assert.equal((await trouble.bucket.get(key))?.toString(), 'some bytes')
  assert.equal(trouble.proxy.seen.length, 2)
})

test('silence is given up, and the request is sent again', async () => {
  await using trouble = await Trouble.with(isGet, { kind: 'silence' }, 2)
  const key = newKey()
  await shared.bucket.put(key, Buffer.from('x'))
  assert.equal((await trouble.bucket.get(key))?.toString(), 'x')
})

test('a listing goes on where a page failed', async () => {
  const prefix = `${newKey()}/`
  for (const name of ['a', 'b', 'c', 'd', 'e']) await shared.bucket.put(prefix + name, Buffer.from(name))
  await using trouble = await Trouble.with(({ url }) => url.includes('continuation'), { kind: 'reset' })
  const listed = await Array.fromAsync(trouble.bucket.list(prefix, { pageSize: 2 }))
  assert.deepEqual(
    listed.map(({ key }) => key.slice(prefix.length)),
    ['a', 'b', 'c', 'd', 'e'],
  )
})

const isCompletion = ({ method, url }: SeenRequest): boolean => method === 'POST' && /[?&]uploadId=/.test(url)

for (const [what, harm] of [
  ['whose answer is lost', { kind: 'drop-reply' }],
  ['that is answered with an error in a 200', { kind: 'answer', status: 200, code: 'InternalError' }],
  ['that is refused with a conflict', { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }],
] as const) {
  test(`a completion ${what} is completed once`, async () => {
    await using trouble = await Trouble.with(isCompletion, harm)
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
  const upload = await beginUpload(shared.bucket, key)
  const etags = [await uploadPart(shared.bucket, upload, 1, Buffer.from('ours'))]
  await shared.bucket.put(key, Buffer.from('theirs'))
  assert.equal(await completeUpload(shared.bucket, upload, etags), 'exists')
  await shared.bucket.delete(key)
  await abortUpload(shared.bucket, upload)
  assert.equal(await completeUpload(shared.bucket, upload, etags), 'gone')
  const late = await caught(uploadPart(shared.bucket, upload, 2, Buffer.from('more')))
  assert.deepEqual([late.code, late.retry], ['UNAVAILABLE', 'restart'])
})

test('a server that ignores the condition is found out, each time', async () => {
  await using trouble = await Trouble.with(isPut, { kind: 'ignore-condition' }, Number.POSITIVE_INFINITY)
  const prefix = `${newKey()}/`
  const error = await caught(proveConditions(trouble.bucket, prefix))
  assert.deepEqual([error.code, error.exitCode], ['PREFLIGHT', 65])
  const again = shared.through(trouble.proxy.endpoint)
  assert.equal((await caught(proveConditions(again, prefix))).code, 'PREFLIGHT')
  await proveConditions(shared.through(shared.endpoint), prefix)
  assert.equal((await Array.fromAsync(shared.bucket.list(prefix))).length, 1)
})

test('a server that does not know the condition is refused', async () => {
  await using trouble = await Trouble.with(isPut, { kind: 'answer', status: 501, code: 'NotImplemented' })
  assert.equal((await caught(proveConditions(trouble.bucket, newKey()))).code, 'PREFLIGHT')
})

test('Alibaba’s header is sent where it is wanted, and its word for “exists” is understood', async () => {
  const oss = (endpoint: string): Bucket =>
    new Bucket(new S3Client({ ...shared.settings, endpoint, flavor: 'oss' }), shared.name)
  await using trouble = await Trouble.with(isPut, { kind: 'answer', status: 409, code: 'FileAlreadyExists' })
  assert.equal(await createObject(oss(trouble.proxy.endpoint), newKey(), Buffer.from('x')), 'exists')
  assert.deepEqual(
    trouble.proxy.seen.map(({ isConditional }) => isConditional),
    [true],
  )
  // This server does not know the header, and is found out.
  assert.equal((await caught(proveConditions(oss(shared.endpoint), `${newKey()}/`))).code, 'PREFLIGHT')
})

test('a proof whose answers are lost is a proof', async () => {
  await using trouble = await Trouble.with(isPut, { kind: 'drop-reply' }, 1)
  await proveConditions(trouble.bucket, `${newKey()}/`)
})

test('refused rights end in AUTH after a few tries', async () => {
  await using trouble = await Trouble.with(isAny, { kind: 'answer', status: 403, code: 'AccessDenied' }, 10)
  const error = await caught(trouble.bucket.get(newKey()))
  assert.deepEqual([error.code, error.retry], ['AUTH', 'halt'])
  assert.equal(trouble.proxy.seen.length, 3)
})

test('a redirect is not followed: the error names the region', async () => {
  await using other = await S3FaultProxy.open(shared.endpoint)
  const headers = { location: other.endpoint, 'x-amz-bucket-region': 'eu-central-1' }
  await using trouble = await Trouble.with(isAny, { kind: 'answer', status: 301, code: 'PermanentRedirect', headers })
  const error = await caught(trouble.bucket.get(newKey()))
  assert.equal(error.code, 'REDIRECT_DENIED')
  assert.match(error.message, /eu-central-1: set s3\.region/)
  assert.deepEqual(other.seen, [])
})

test('credentials that have expired are fetched anew, and the request is sent again', async () => {
  await using trouble = await Trouble.with(isAny, { kind: 'answer', status: 400, code: 'ExpiredToken' })
  assert.equal(await trouble.bucket.get(newKey()), undefined)
  assert.equal(trouble.proxy.seen.length, 2)
})

test('credentials that stay expired end in AUTH', async () => {
  await using trouble = await Trouble.with(isAny, { kind: 'answer', status: 400, code: 'ExpiredToken' }, 100)
  assert.equal((await caught(trouble.bucket.get(newKey()))).code, 'AUTH')
})

test('a clock that is years off does not keep anybody from signing', async () => {
  const world = { environment: {}, home: '/', sleep: async () => undefined, random: () => 0.5 }
  for (const years of [10, -10]) {
    const now = (): number => Date.now() + years * 31_536_000_000
    const bucket = new Bucket(new S3Client(shared.settings, { world: { ...world, now } }), shared.name)
    assert.equal(await createObject(bucket, newKey(), Buffer.from('x')), 'created')
  }
})

test('a missing bucket is not taken for a missing object', async () => {
  const missing = new Bucket(new S3Client(shared.settings), 'no-such-bucket')
  assert.equal((await caught(missing.get('x'))).code, 'CONFIG')
  assert.equal((await caught(createObject(missing, 'x', Buffer.from('x')))).code, 'CONFIG')
  assert.equal((await caught(Array.fromAsync(missing.list('')))).code, 'CONFIG')
})
