import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { listUploads } from '../clients/s3/index.ts'
import { fileStoreSuite } from '../testkit/file-store-suite.ts'
import { S3_KEYS } from '../../scripts/services/s3.ts'
import { hostedAt, openTestBucket } from '../../scripts/services/s3-bucket.ts'
import { OssStandIn } from '../testkit/oss-stand-in.ts'
import { S3FaultProxy, type SeenRequest } from '../testkit/s3-fault-proxy.ts'
import { storeOpener } from './open-store.ts'
import { S3FileStore } from './s3-file-store.ts'

const shared = await openTestBucket()
after(() => shared[Symbol.asyncDispose]())
let stores = 0

const open = (): S3FileStore => new S3FileStore(shared.bucket, `store-${++stores}/`)

const noDispose = { [Symbol.asyncDispose]: async (): Promise<void> => undefined }
fileStoreSuite('the store on S3', async () => ({ store: open(), ...noDispose }))

// Buckets in the name of the host, through the same opener as a pipeline's.
const openHosted = storeOpener(undefined)
fileStoreSuite('the store on S3 by host name', async () => ({
  store: await openHosted(`s3://${shared.name}/hosted-${++stores}`, { s3: shared.hosted }),
  ...noDispose,
}))

const oss = await OssStandIn.open({ target: shared.hosted.endpoint ?? '', keys: S3_KEYS })
after(() => oss[Symbol.asyncDispose]())
const ossBucket = shared.through(oss.endpoint, {}, { ...hostedAt(oss.endpoint), flavor: 'oss' })
fileStoreSuite('the store on OSS', async () => ({
  store: new S3FileStore(ossBucket, `oss-${++stores}/`),
  ...noDispose,
}))

test('a file of several parts is whole, and ranges of it are what was written', async () => {
  const store = open()
  const writer = await store.openWriter('large')
  const bytes = Buffer.alloc(21 * 1024 * 1024 + 17)
  for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(at, at)
  for (let at = 0; at < bytes.length; at += 1_234_567) await writer.write(bytes.subarray(at, at + 1_234_567))
  assert.equal(await store.size('large'), undefined)
  assert.deepEqual(await writer.finish(), { path: 'large', size: bytes.length })
  assert.equal(await store.size('large'), bytes.length)
  assert.ok(bytes.equals((await store.read('large')) ?? new Uint8Array()))
  const [start, end] = [8 * 1024 * 1024 - 5, 8 * 1024 * 1024 + 5]
  assert.deepEqual(Buffer.from((await store.readRange('large', start, end)) ?? []), bytes.subarray(start, end))
})

test('a range of a version is there as long as the version is', async () => {
  const store = open()
  await store.replace('v', Buffer.from('one'))
  const [entry] = await Array.fromAsync(store.list('v'))
  assert.equal(Buffer.from((await store.readRange('v', 0, 2, entry?.version)) ?? []).toString(), 'on')
  await store.replace('v', Buffer.from('two'))
  assert.equal(await store.readRange('v', 0, 2, entry?.version), undefined)
})

test('files that are written side by side wait for each other, and all of them arrive', async () => {
  const store = open()
  const chunk = Buffer.alloc(3 * 1024 * 1024, 7)
  const sizes = await Promise.all(
    Array.from({ length: 4 }, async (_, file) => {
      const writer = await store.openWriter(`side/${file}`)
      for (let written = 0; written < 6 + file; written++) await writer.write(chunk)
      return (await writer.finish()).size
    }),
  )
  assert.deepEqual(
    sizes,
    [6, 7, 8, 9].map((chunks) => chunks * chunk.length),
  )
  for (const [file, size] of sizes.entries()) assert.equal(await store.size(`side/${file}`), size)
})

test('a large writer that gives up leaves neither a file nor parts', async () => {
  const store = open()
  const writer = await store.openWriter('a/large')
  await writer.write(Buffer.alloc(9 * 1024 * 1024))
  await writer.abort()
  assert.deepEqual(await Array.fromAsync(store.list('')), [])
})

test('a writer that gives up does not wait for a server that is silent', async () => {
  await using proxy = await S3FaultProxy.open(shared.endpoint)
  // Longer than the test may take: nothing but giving up ends these requests.
  const store = new S3FileStore(shared.through(proxy.endpoint, { baseMs: 600_000, retryMs: 600_000 }), 'silent/')
  for (const isSilent of [
    ({ url }: SeenRequest) => /partNumber=/.test(url),
    ({ url }: SeenRequest) => /uploads=/.test(url),
  ]) {
    const writer = await store.openWriter('f')
    proxy.harm({ match: isSilent, harm: { kind: 'silence' }, times: 10 })
    await writer.write(Buffer.alloc(9 * 1024 * 1024))
    while (!proxy.seen.some(isSilent)) await new Promise((resolve) => setImmediate(resolve))
    await writer.abort()
    await assert.rejects(writer.finish())
    proxy.heal()
  }
  assert.deepEqual(await Array.fromAsync(listUploads(shared.bucket, 'silent/')), [])
})

test('a large file never replaces one that is there', async () => {
  const store = open()
  await store.create('f', Buffer.from('first'))
  const writer = await store.openWriter('f')
  await writer.write(Buffer.alloc(9 * 1024 * 1024))
  await assert.rejects(writer.finish(), { code: 'STORE_IO' })
  await writer.abort()
  assert.equal(Buffer.from((await store.read('f')) ?? []).toString(), 'first')
})

test('a listing of several pages is whole', async () => {
  await Promise.all(Array.from({ length: 25 }, (_, at) => shared.bucket.put(`pages/${at}`, Buffer.from('x'))))
  assert.equal((await Array.fromAsync(shared.bucket.list('pages/', { pageSize: 10 }))).length, 25)
})

test('settings of a component win over those of the pipeline, key by key', async () => {
  const opener = storeOpener({ ...shared.settings, endpoint: 'http://127.0.0.1:1' })
  const store = await opener(`s3://${shared.name}/settings`, { s3: { endpoint: shared.endpoint } })
  assert.equal(await store.create('a', Buffer.from('x')), 'created')
  assert.equal(store.root, `s3://${shared.name}/settings`)
  await assert.rejects(opener('gs://bucket/x'), { code: 'CONFIG' })
})

test('names with every kind of character are kept', async () => {
  const store = open()
  const names = ["a b+c'(1)*!~.txt", 'dt=2026-11-21/x', 'k=%2F%25/y', 'é😀/ü', '&<>"/z', 'q?a=b#c']
  for (const name of names) assert.equal(await store.create(name, Buffer.from(name)), 'created', name)
  const listed = (await Array.fromAsync(store.list(''))).map(({ path }) => path)
  assert.deepEqual(listed.toSorted(), names.toSorted())
  for (const name of names) assert.equal(Buffer.from((await store.read(name)) ?? []).toString(), name)
})
