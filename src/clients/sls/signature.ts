import { createHash, createHmac } from 'node:crypto'
import type { SlsCredentials } from './credentials.ts'

/** What is signed: headers have lower-case names, the query is decoded. */
export interface SignableRequest {
  readonly method: 'GET' | 'POST'
  /** Percent-encoded. */
  readonly path: string
  readonly query: readonly (readonly [name: string, value: string])[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Signature V4 needs a region; without one requests are signed the old way, which every region still takes. */
export type SigningMethod = { readonly version: 'v1' } | { readonly version: 'v4'; readonly region: string }

/** All headers of the request, those of the signature with them. `now` is milliseconds since 1970 by the server's clock. */
export function signedHeaders(
  request: SignableRequest,
  credentials: SlsCredentials,
  method: SigningMethod,
  now: number,
): Record<string, string> {
  const token = credentials.securityToken?.reveal() ?? ''
  const headers = { ...request.headers, ...(token === '' ? {} : { 'x-acs-security-token': token }) }
  return method.version === 'v1'
    ? withV1(request, headers, credentials, now)
    : withV4(request, headers, credentials, method.region, now)
}

/** aliyun-log-go-sdk signature.go. */
function withV1(
  { method, path, query, body }: SignableRequest,
  given: Readonly<Record<string, string>>,
  { accessKeyId, accessKeySecret }: SlsCredentials,
  now: number,
): Record<string, string> {
  const headers: Record<string, string> = {
    ...given,
    date: new Date(now).toUTCString(),
    'x-log-signaturemethod': 'hmac-sha1',
    ...(body.length === 0 ? {} : { 'content-md5': createHash('md5').update(body).digest('hex').toUpperCase() }),
  }
  const named = namesOf(headers, (name) => /^x-(log|acs)-/.test(name)).map(
    (name) => `${name}:${headers[name]?.trim()}\n`,
  )
  const parameters = sorted(query).map(([name, value]) => `${name}=${value}`)
  const resource = parameters.length === 0 ? path : `${path}?${parameters.join('&')}`
  const { date = '', 'content-md5': md5 = '', 'content-type': type = '' } = headers
  const text = [method, md5, type, date, named.join('') + resource].join('\n')
  const signature = createHmac('sha1', accessKeySecret.reveal()).update(text).digest('base64')
  return { ...headers, authorization: `LOG ${accessKeyId}:${signature}` }
}

/** aliyun-log-go-sdk signature_v4.go. */
function withV4(
  { method, path, query, body }: SignableRequest,
  given: Readonly<Record<string, string>>,
  { accessKeyId, accessKeySecret }: SlsCredentials,
  region: string,
  now: number,
): Record<string, string> {
  const stamp = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const hash = createHash('sha256').update(body).digest('hex')
  const headers: Record<string, string> = { ...given, 'x-log-date': stamp, 'x-log-content-sha256': hash }
  const signed = namesOf(headers, (name) => name === 'host' || name === 'content-type' || /^x-(log|acs)-/.test(name))
  const parameters = sorted(query).map(([name, value]) => (value === '' ? name : `${name}=${percentEncoded(value)}`))
  const lines = signed.map((name) => `${name}:${headers[name]?.trim()}\n`)
  const canonical = [method, path, parameters.join('&'), lines.join(''), signed.join(';'), hash].join('\n')
  const scope = [stamp.slice(0, 8), region, 'sls', 'aliyun_v4_request']
  const key = scope.reduce<string | Buffer>(
    (chained, part) => createHmac('sha256', chained).update(part).digest(),
    `aliyun_v4${accessKeySecret.reveal()}`,
  )
  const digest = createHash('sha256').update(canonical).digest('hex')
  const signature = createHmac('sha256', key)
    .update(['SLS4-HMAC-SHA256', stamp, scope.join('/'), digest].join('\n'))
    .digest('hex')
  return {
    ...headers,
    authorization: `SLS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.join('/')},Signature=${signature}`,
  }
}

/** RFC 3986: everything but letters, digits and `-._~`. */
export function percentEncoded(value: string): string {
  return encodeURIComponent(value).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function namesOf(headers: Readonly<Record<string, string>>, isWanted: (name: string) => boolean): string[] {
  return Object.keys(headers).filter(isWanted).sort()
}

function sorted(query: SignableRequest['query']): SignableRequest['query'] {
  return query.toSorted(([one], [other]) => (one < other ? -1 : 1))
}
