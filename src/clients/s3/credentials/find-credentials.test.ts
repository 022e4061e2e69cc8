import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import type { World } from '../world.ts'
import { CredentialCache } from './credential-cache.ts'
import type { Credentials } from './credentials.ts'
import { findCredentials } from './find-credentials.ts'

const world = (environment: Record<string, string>, home = '/nonexistent', now = 0): World => ({
  environment,
  home,
  now: () => now,
  sleep: async () => undefined,
  random: () => 0,
})

const load = (environment: Record<string, string>, home?: string): Promise<Credentials> =>
  findCredentials(undefined, world(environment, home)).load()

/** A service on loopback that answers as `answer` says. */
async function serve(
  answer: (request: IncomingMessage, body: string) => [status: number, body: string],
): Promise<AsyncDisposable & { url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    void Array.fromAsync(request as AsyncIterable<Buffer>).then((chunks) => {
      asked.push(`${request.method} ${request.url}`)
      const [status, body] = answer(request, Buffer.concat(chunks).toString())
      response.writeHead(status).end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('keys of the environment are taken, and half of them is an error', async () => {
  const found = await load({ AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key', AWS_SESSION_TOKEN: 'token' })
  assert.deepEqual([found.accessKeyId, found.secretAccessKey.reveal()], ['id', 'key'])
  assert.equal(found.sessionToken?.reveal(), 'token')
  assert.ok(!inspect(found).includes('key') && !JSON.stringify(found).includes('token"'))
  await assert.rejects(load({ AWS_ACCESS_KEY_ID: 'id' }), { code: 'AUTH' })
})

test('a profile is read from the shared files, which nobody else may read', async () => {
  await using home = await mkdtempDisposable(join(tmpdir(), 'millrace-aws-'))
  const credentials = join(home.path, 'credentials')
  const environment = { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: join(home.path, 'config') }
  const text =
    '[default]\naws_access_key_id = d\naws_secret_access_key=ds\n\n[ work ]\naws_access_key_id=w\naws_secret_access_key=ws # x\n'
  await writeFile(credentials, text, { mode: 0o600 })
  assert.equal((await load(environment)).accessKeyId, 'd')
  const work = await load({ ...environment, AWS_PROFILE: 'work' })
  assert.deepEqual([work.accessKeyId, work.secretAccessKey.reveal()], ['w', 'ws'])
  await assert.rejects(load({ ...environment, AWS_PROFILE: 'other' }), { code: 'AUTH', message: /it has no keys/ })
  await writeFile(environment.AWS_CONFIG_FILE, '[profile run]\ncredential_process = touch x\n')
  await assert.rejects(load({ ...environment, AWS_PROFILE: 'run' }), { code: 'AUTH', message: /credential_process/ })
  await writeFile(join(home.path, 'open'), text, { mode: 0o644 })
  await assert.rejects(load({ ...environment, AWS_SHARED_CREDENTIALS_FILE: join(home.path, 'open') }), {
    code: 'AUTH',
    message: /chmod 600/,
  })
})

test('a web identity token becomes temporary credentials', async () => {
  await using home = await mkdtempDisposable(join(tmpdir(), 'millrace-aws-'))
  const file = join(home.path, 'token')
  await writeFile(file, 'the-token\n')
  await using sts = await serve((_, body) => {
    const form = new URLSearchParams(body)
    if (form.get('WebIdentityToken') !== 'the-token')
      return [400, '<E><Error><Code>InvalidIdentityToken</Code></Error></E>']
    const keys = '<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>'
    const inner = `<Credentials>${keys}<Expiration>1970-01-01T01:00:00Z</Expiration></Credentials>`
    return [200, `<R><AssumeRoleWithWebIdentityResult>${inner}</AssumeRoleWithWebIdentityResult></R>`]
  })
  const environment = { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: 'arn:x', AWS_ENDPOINT_URL_STS: sts.url }
  const found = await load(environment)
  assert.deepEqual([found.accessKeyId, found.expiresAt], ['ASIA', 3_600_000])
  await writeFile(file, 'stale')
  await assert.rejects(load(environment), { code: 'AUTH', message: /InvalidIdentityToken/ })
})

test('the agent of a container is asked with its token, and no other host is', async () => {
  await using agent = await serve((request) =>
    request.headers.authorization === 'secret-token'
      ? [
          200,
          JSON.stringify({ AccessKeyId: 'c', SecretAccessKey: 's', Token: 't', Expiration: '1970-01-01T00:00:09Z' }),
        ]
      : [401, ''],
  )
  const environment = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agent.url}/creds`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'secret-token',
  }
  assert.equal((await load(environment)).expiresAt, 9000)
  await assert.rejects(load({ ...environment, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'other' }), { code: 'AUTH' })
  await assert.rejects(load({ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://collector.example/creds' }), {
    code: 'AUTH',
    message: /neither https nor an agent/,
  })
})

test('the role of a machine is asked for with a session token', async () => {
  await using service = await serve((request) => {
    if (request.method === 'PUT') return [200, 'session']
    if (request.headers['x-aws-ec2-metadata-token'] !== 'session') return [401, '']
    return request.url?.endsWith('/the-role') === true
      ? [
          200,
          JSON.stringify({ AccessKeyId: 'm', SecretAccessKey: 's', Token: 't', Expiration: '1970-01-01T00:00:09Z' }),
        ]
      : [200, 'the-role\n']
  })
  assert.equal((await load({ AWS_EC2_METADATA_SERVICE_ENDPOINT: service.url })).accessKeyId, 'm')
  assert.equal(service.asked.length, 3)
})

test('without any place, the error says what to set', async () => {
  await assert.rejects(load({ AWS_EC2_METADATA_DISABLED: 'true' }), { code: 'AUTH', message: /AWS_ACCESS_KEY_ID/ })
})

test('temporary credentials are renewed before they expire, once for all who wait', async () => {
  let loads = 0
  let now = 0
  let fails = false
  const source = {
    name: 'test',
    load: async (): Promise<Credentials> => {
      if (fails) throw new Error('away')
      const [credentials] = [
        await findCredentials(undefined, world({ AWS_ACCESS_KEY_ID: `${++loads}`, AWS_SECRET_ACCESS_KEY: 's' })).load(),
      ]
      return { ...credentials, expiresAt: now + 3_600_000 }
    },
  }
  const cache = new CredentialCache(source, { ...world({}), now: () => now })
  const ids = async (): Promise<string[]> =>
    (await Promise.all([cache.get(), cache.get(), cache.get()])).map(({ accessKeyId }) => accessKeyId)
  assert.deepEqual(await ids(), ['1', '1', '1'])
  now = 3_600_000 - 301_000
  assert.deepEqual(await ids(), ['1', '1', '1'])
  now += 2000
  fails = true
  assert.deepEqual(await ids(), ['1', '1', '1'], 'what still works is used while the source is away')
  fails = false
  now += 31_000
  assert.deepEqual(await ids(), ['2', '2', '2'])
  cache.expire(await cache.get())
  assert.deepEqual(await ids(), ['3', '3', '3'])
  now += 4_000_000
  fails = true
  await assert.rejects(cache.get(), /away/)
})
