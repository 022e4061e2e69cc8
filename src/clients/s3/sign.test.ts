import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../../core/secret.ts'
import { sign } from './sign.ts'

/** The example of AWS’s documentation, "GET Object" with a range. */
test('the signature of the published example is made', async () => {
  const credentials = {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
  }
  const url = new URL('https://examplebucket.s3.amazonaws.com/?lifecycle=')
  const scope = { region: 'us-east-1', now: Date.parse('2013-05-24T00:00:00Z') }
  const headers = await sign({ method: 'GET', url, headers: {} }, credentials, scope)
  assert.match(
    headers['authorization'] ?? '',
    /SignedHeaders=host;x-amz-content-sha256;x-amz-date, ?Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543$/,
  )
})

test('bodies are hashed where nothing else protects them, and small ones always', async () => {
  const credentials = { accessKeyId: 'a', secretAccessKey: new Secret('b'), sessionToken: new Secret('t') }
  const payloadOf = async (scheme: string, bytes: number): Promise<string | undefined> => {
    const request = { method: 'PUT', url: new URL(`${scheme}://h/x`), headers: {}, body: Buffer.alloc(bytes) }
    const headers = await sign(request, credentials, { region: 'r', now: 0 })
    assert.equal(headers['x-amz-security-token'], 't')
    return headers['x-amz-content-sha256']
  }
  assert.equal(await payloadOf('https', 2 * 1024 * 1024), 'UNSIGNED-PAYLOAD')
  assert.match((await payloadOf('http', 2 * 1024 * 1024)) ?? '', /^[\da-f]{64}$/)
  assert.match((await payloadOf('https', 100)) ?? '', /^[\da-f]{64}$/)
})
