import { createHash } from 'node:crypto'
import { AwsV4Signer } from 'aws4fetch'
import type { Credentials } from './credentials/credentials.ts'

/** Keys derived from secret, day and region; a handful, for as long as the credentials live. */
const derived = new WeakMap<Credentials, Map<string, ArrayBuffer>>()

/** Larger bodies are hashed only where TLS does not protect them: a hash of every part costs a lane a quarter of its time. */
const HASHED_BYTES_MAX = 1024 * 1024

/**
 * The headers of a request with its signature (AWS Signature Version 4).
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export async function sign(
  request: {
    readonly method: string
    readonly url: URL
    readonly headers: Readonly<Record<string, string>>
    readonly body?: Uint8Array | undefined
  },
  credentials: Credentials,
  scope: { readonly region: string; readonly now: number },
): Promise<Record<string, string>> {
  let cache = derived.get(credentials)
  if (cache === undefined) derived.set(credentials, (cache = new Map()))
  const isHashed = request.url.protocol !== 'https:' || (request.body?.byteLength ?? 0) <= HASHED_BYTES_MAX
  const payload = isHashed
    ? createHash('sha256')
        .update(request.body ?? '')
        .digest('hex')
    : 'UNSIGNED-PAYLOAD'
  const signer = new AwsV4Signer({
    method: request.method,
    url: request.url.href,
    headers: { ...request.headers, 'x-amz-content-sha256': payload },
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey.reveal(),
    ...(credentials.sessionToken && { sessionToken: credentials.sessionToken.reveal() }),
    service: 's3',
    region: scope.region,
    datetime: new Date(scope.now).toISOString().replaceAll(/[:-]|\.\d{3}/g, ''),
    cache,
  })
  return Object.fromEntries((await signer.sign()).headers)
}
