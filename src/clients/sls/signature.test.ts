import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Secret } from '../../core/secret.ts'
import { signedHeaders, type SigningMethod } from './signature.ts'

interface Vector {
  readonly Name: string
  readonly Version: 'v1' | 'v4'
  readonly Method: 'GET' | 'POST'
  readonly URI: string
  readonly Region: string
  readonly Headers: Readonly<Record<string, string>>
  readonly Body: string
  readonly Authorization: string
}

/** Made by aliyun-log-go-sdk 0.1.131. */
const VECTORS = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/sls/signature-vectors.json', import.meta.url), 'utf8'),
) as readonly Vector[]
const SIGNED_AT = Date.UTC(2026, 10, 21, 2, 3, 4)
/** What the signer adds by itself. */
const ADDED = /^(date|content-md5|content-length|x-log-(date|content-sha256|signaturemethod)|x-acs-security-token)$/

for (const { Name, Version, Method, URI, Region, Headers, Body, Authorization } of VECTORS) {
  test(`${Name} is signed as the official SDK signs it`, () => {
    const lower = Object.entries(Headers).map(([name, value]) => [name.toLowerCase(), value] as const)
    const token = lower.find(([name]) => name === 'x-acs-security-token')?.[1]
    const [path = '', query = ''] = URI.split('?')
    const credentials = {
      accessKeyId: 'testAccessKeyId',
      accessKeySecret: new Secret('testAccessKeySecret'),
      ...(token === undefined ? {} : { securityToken: new Secret(token) }),
    }
    const method: SigningMethod = Version === 'v1' ? { version: 'v1' } : { version: 'v4', region: Region }
    const request = {
      method: Method,
      path,
      query: [...new URLSearchParams(query)],
      headers: Object.fromEntries(lower.filter(([name]) => !ADDED.test(name))),
      body: Buffer.from(Body),
    }
    const signed = signedHeaders(request, credentials, method, SIGNED_AT)
    assert.equal(signed['authorization'], Authorization)
    for (const [name, value] of lower) if (name !== 'content-length') assert.equal(signed[name], value, name)
  })
}

test('nine vectors were checked', () => assert.equal(VECTORS.length, 9))
