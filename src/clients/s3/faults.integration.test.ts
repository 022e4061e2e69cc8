/** What bad networks and busy servers do to requests, against a real server behind a proxy that does harm. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openTestBucket } from '../../../scripts/services/s3-bucket.ts'
import { S3FaultProxy, type Fault, type Harm, type SeenRequest } from '../../testkit/s3-fault-proxy.ts'
import { caught, isAny, isGet, Trouble } from '../../testkit/s3-trouble.ts'
import { Bucket, createObject, S3Client } from './index.ts'

const shared = await openTestBucket()
after(() => shared[Symbol.asyncDispose]())
let keys = 0
const newKey = (): string => `faults/${++keys}`

const isListing = ({ url }: SeenRequest): boolean => url.includes('continuation')
const trouble = (match: Fault['match'], harm: Harm, times = 1): Promise<Trouble> =>
  Trouble.with({ bucket: shared, endpoint: shared.endpoint }, match, harm, times)

test('an answer of one byte a second is given up, and asked for again', async () => {
  await using troubled = await trouble(isGet, { kind: 'trickle' })
  const key = newKey()
  await shared.bucket.put(key, Buffer.from('some bytes'))
  assert.equal((await troubled.bucket.get(key))?.toString(), 'some bytes')
  assert.equal(troubled.proxy.seen.length, 2)
})

test('silence is given up, and the request is sent again', async () => {
  await using troubled = await trouble(isGet, { kind: 'silence' }, 2)
  const key = newKey()
  await shared.bucket.put(key, Buffer.from('x'))
  assert.equal((await troubled.bucket.get(key))?.toString(), 'x')
})

test('a listing goes on where a page failed', async () => {
  const prefix = `${newKey()}/`
  for (const name of ['a', 'b', 'c', 'd', 'e']) await shared.bucket.put(prefix + name, Buffer.from(name))
  await using troubled = await trouble(isListing, { kind: 'reset' })
  const listed = await Array.fromAsync(troubled.bucket.list(prefix, { pageSize: 2 }))
  assert.deepEqual(
    listed.map(({ key }) => key.slice(prefix.length)),
    ['a', 'b', 'c', 'd', 'e'],
  )
})

test('refused rights end in AUTH after a few tries', async () => {
  await using troubled = await trouble(isAny, { kind: 'answer', status: 403, code: 'AccessDenied' }, 10)
  const error = await caught(troubled.bucket.get(newKey()))
  assert.deepEqual([error.code, error.retry], ['AUTH', 'halt'])
  assert.equal(troubled.proxy.seen.length, 3)
})

test('a redirect is not followed: the error names the region', async () => {
  await using other = await S3FaultProxy.open(shared.endpoint)
  const headers = { location: other.endpoint, 'x-amz-bucket-region': 'eu-central-1' }
  await using troubled = await trouble(isAny, { kind: 'answer', status: 301, code: 'PermanentRedirect', headers })
  const error = await caught(troubled.bucket.get(newKey()))
  assert.equal(error.code, 'REDIRECT_DENIED')
  assert.match(error.message, /eu-central-1: set s3\.region/)
  assert.deepEqual(other.seen, [])
})

test('credentials that have expired are fetched anew, and the request is sent again', async () => {
  await using troubled = await trouble(isAny, { kind: 'answer', status: 400, code: 'ExpiredToken' })
  assert.equal(await troubled.bucket.get(newKey()), undefined)
  assert.equal(troubled.proxy.seen.length, 2)
})

test('credentials that stay expired end in AUTH', async () => {
  await using troubled = await trouble(isAny, { kind: 'answer', status: 400, code: 'ExpiredToken' }, 100)
  assert.equal((await caught(troubled.bucket.get(newKey()))).code, 'AUTH')
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
