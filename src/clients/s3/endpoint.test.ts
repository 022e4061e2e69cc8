import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { S3Options } from '../../core/options.ts'
import { objectUrl, parseS3Address, resolveEndpoint } from './endpoint.ts'
import type { World } from './world.ts'

const world = (environment: Record<string, string> = {}): World => ({
  environment,
  home: '/',
  now: () => 0,
  sleep: async () => undefined,
  random: () => 0,
})

const urlOf = (settings: S3Options, key: string, environment?: Record<string, string>, bucket = 'lake'): string =>
  objectUrl(resolveEndpoint(settings, world(environment)), bucket, key, {}).href

test('AWS is addressed by host name in its region, or by path where a bucket has dots', () => {
  assert.equal(urlOf({}, 'a/b'), 'https://lake.s3.us-east-1.amazonaws.com/a/b')
  assert.equal(urlOf({ region: 'eu-west-1' }, 'a'), 'https://lake.s3.eu-west-1.amazonaws.com/a')
  assert.equal(urlOf({}, 'a', { AWS_REGION: 'cn-north-1' }), 'https://lake.s3.cn-north-1.amazonaws.com.cn/a')
  assert.equal(urlOf({}, 'a', {}, 'my.lake'), 'https://s3.us-east-1.amazonaws.com/my.lake/a')
  assert.equal(urlOf({}, 'a', {}, 'My_lake'), 'https://s3.us-east-1.amazonaws.com/My_lake/a')
  assert.equal(urlOf({ pathStyle: true }, 'a'), 'https://s3.us-east-1.amazonaws.com/lake/a')
})

test('other servers are addressed by path unless the pipeline wants host names', () => {
  assert.equal(urlOf({ endpoint: 'http://127.0.0.1:9000' }, 'a'), 'http://127.0.0.1:9000/lake/a')
  assert.equal(urlOf({ endpoint: 'http://minio:9000', pathStyle: false }, 'a'), 'http://lake.minio:9000/a')
  assert.equal(urlOf({}, 'a', { AWS_ENDPOINT_URL_S3: 'http://s3.local' }), 'http://s3.local/lake/a')
  assert.equal(urlOf({ endpoint: 'http://one' }, 'a', { AWS_ENDPOINT_URL: 'http://two' }), 'http://one/lake/a')
})

test('a bucket cannot stand before an address in digits', () => {
  for (const endpoint of ['http://127.0.0.1:9000', 'http://[::1]:9000', 'http://2130706433']) {
    const refused = { code: 'CONFIG', message: /name the host, or leave out/ }
    assert.throws(() => resolveEndpoint({ endpoint, pathStyle: false }, world()), refused)
  }
})

test('Alibaba OSS is recognised by its name, with its region and its header', () => {
  const oss = resolveEndpoint({ endpoint: 'https://s3.oss-cn-hangzhou-internal.aliyuncs.com' }, world())
  assert.deepEqual([oss.flavor, oss.region, oss.pathStyle], ['oss', 'cn-hangzhou', false])
  assert.equal(resolveEndpoint({ endpoint: 'https://files.example.com', flavor: 'oss' }, world()).flavor, 'oss')
  assert.equal(resolveEndpoint({ endpoint: 'https://evil-aliyuncs.com' }, world()).flavor, 's3')
})

test('keys are written so that no character means anything', () => {
  assert.equal(
    urlOf({ endpoint: 'http://h' }, "a b+c'(1)*!~/é%2F?x#y=&"),
    'http://h/lake/a%20b%2Bc%27%281%29%2A%21~/%C3%A9%252F%3Fx%23y%3D%26',
  )
})

test('an endpoint with a path, user info, another scheme or a forbidden address is refused', () => {
  const bad = [
    'http://h/path',
    'http://u:p@h',
    'ftp://h',
    'h:9000',
    'http://h?x=1',
    'http://169.254.169.254',
    'http://0xA9FEA9FE',
  ]
  for (const endpoint of bad) assert.throws(() => resolveEndpoint({ endpoint }, world()), { code: 'CONFIG' }, endpoint)
})

test('addresses are a bucket and a prefix', () => {
  assert.deepEqual(parseS3Address('s3://lake'), { bucket: 'lake', prefix: '' })
  assert.deepEqual(parseS3Address('s3://lake/a//b/'), { bucket: 'lake', prefix: 'a/b/' })
  assert.deepEqual(parseS3Address('s3a://lake/a'), { bucket: 'lake', prefix: 'a/' })
  const bad = [
    's3://',
    's3://a',
    's3://a..b/c',
    's3://lake/../other',
    's3://host:80/x',
    'http://lake/a',
    's3://la ke/a',
    's3://lake/a\nb',
  ]
  for (const address of bad) assert.throws(() => parseS3Address(address), { code: 'CONFIG' }, address)
})
