import { createHash, createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { SlsProblem } from './problem.ts'
import type { SlsCredentials } from './settings.ts'

/** A request as it arrived. */
export interface SignedRequest {
  readonly method: string
  /** Path as sent, percent-encoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/**
 * Checks signature V1 (aliyun-log-go-sdk signature.go) or V4 (signature_v4.go), whichever the request carries. A wrong
 * one is answered with the server's own string to sign.
 */
export function checkSignature(
  request: SignedRequest,
  known: readonly SlsCredentials[],
  now: number,
  skewMaxSeconds: number,
): void {
  const authorization = request.headers.authorization ?? ''
  const v1 = /^LOG ([^:]+):(.+)$/.exec(authorization)
  const v4 =
    /^SLS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/sls\/aliyun_v4_request,\s*Signature=([0-9a-f]{64})$/.exec(
      authorization,
    )
  const id = v1?.[1] ?? v4?.[1]
  if (id === undefined) throw new SlsProblem(401, 'Unauthorized', 'the authorization header is missing or malformed')
  const credentials = known.find(({ accessKeyId }) => accessKeyId === id)
  if (credentials === undefined) throw new SlsProblem(401, 'Unauthorized', `AccessKeyId ${id} is unknown`)
  checkClock(request.headers, v4 !== null, now, skewMaxSeconds)
  if (text(request.headers['x-acs-security-token']) !== (credentials.securityToken ?? '')) {
    throw new SlsProblem(401, 'SecurityTokenExpired', 'the security token you provided has expired')
  }
  const toSign = v4 === null ? stringV1(request) : canonicalV4(request)
  const expected =
    v4 === null
      ? createHmac(v1Algorithm(request.headers), credentials.accessKeySecret).update(toSign).digest('base64')
      : signatureV4(toSign, credentials.accessKeySecret, v4[3] ?? '', text(request.headers['x-log-date']))
  if (expected === (v1?.[2] ?? v4?.[4])) return
  throw new SlsProblem(
    403,
    'SignatureNotMatch',
    `signature does not match; the server signs: ${JSON.stringify(toSign)}`,
  )
}

function checkClock(headers: IncomingHttpHeaders, isV4: boolean, now: number, skewMaxSeconds: number): void {
  const stamp = text(headers['x-log-date'])
  const iso = stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  const sent = Date.parse(isV4 ? iso : text(headers.date))
  if (Number.isNaN(sent)) throw new SlsProblem(400, 'ParameterInvalid', 'the date of the request is missing')
  if (Math.abs(now - sent) <= skewMaxSeconds * 1000) return
  throw new SlsProblem(400, 'RequestTimeExpired', 'the request time has expired')
}

function v1Algorithm(headers: IncomingHttpHeaders): string {
  const method = text(headers['x-log-signaturemethod'])
  if (method === 'hmac-sha1') return 'sha1'
  if (method === 'hmac-sha256') return 'sha256'
  throw new SlsProblem(400, 'MissingSignatureMethod', 'x-log-signaturemethod is missing')
}

export function stringV1({ method, path, query, headers, body }: SignedRequest): string {
  const md5 = text(headers['content-md5'])
  if (body.length > 0 && md5 !== createHash('md5').update(body).digest('hex').toUpperCase()) {
    throw new SlsProblem(400, 'InvalidContentMD5', 'Content-MD5 does not match the body')
  }
  const named = Object.keys(headers)
    .filter((name) => name.startsWith('x-log-') || name.startsWith('x-acs-'))
    .sort()
    .map((name) => `${name}:${text(headers[name]).trim()}\n`)
  const parameters = [...query]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
  const resource = parameters.length === 0 ? path : `${path}?${parameters.join('&')}`
  return [method, md5, text(headers['content-type']), text(headers.date), named.join('') + resource].join('\n')
}

export function canonicalV4({ method, path, query, headers, body }: SignedRequest): string {
  const hash = createHash('sha256').update(body).digest('hex')
  if (text(headers['x-log-content-sha256']) !== hash) {
    throw new SlsProblem(400, 'ParameterInvalid', 'x-log-content-sha256 does not match the body')
  }
  const parameters = [...query]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => (value === '' ? name : `${name}=${percentEncoded(value)}`))
  const signed = Object.keys(headers)
    .filter((name) => name === 'host' || name === 'content-type' || /^x-(log-(?!meta-)|acs-)/.test(name))
    .sort()
  const lines = signed.map((name) => `${name}:${text(headers[name]).trim()}\n`)
  return [method, path, parameters.join('&'), lines.join(''), signed.join(';'), hash].join('\n')
}

function percentEncoded(value: string): string {
  return encodeURIComponent(value).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function signatureV4(canonical: string, secret: string, region: string, stamp: string): string {
  const date = stamp.slice(0, 8)
  const scope = `${date}/${region}/sls/aliyun_v4_request`
  const hash = createHash('sha256').update(canonical).digest('hex')
  const key = [date, region, 'sls', 'aliyun_v4_request'].reduce<string | Buffer>(
    (chained, part) => createHmac('sha256', chained).update(part).digest(),
    `aliyun_v4${secret}`,
  )
  return createHmac('sha256', key).update(['SLS4-HMAC-SHA256', stamp, scope, hash].join('\n')).digest('hex')
}

function text(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : (value?.join(',') ?? '')
}
