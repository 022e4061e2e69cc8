import { MillraceError, type MillraceErrorOptions } from '../../core/errors.ts'
import type { Reply } from './exchange.ts'
import { parseXml, textOf } from './xml.ts'

/** What a server said when it did not do what it was asked. */
export interface Refusal {
  readonly status: number
  /** S3's word, such as `NoSuchKey`; empty when the reply had none (replies to HEAD never have one). */
  readonly code: string
  readonly message: string
}

const MESSAGE_CHARACTERS = 200

/** Reads the error of a reply. Whatever it is, this gives something. */
export function refusalOf({ status, body }: Reply): Refusal {
  try {
    const root = parseXml(body.toString('utf8'))
    // Names and texts of a server we know nothing about: cut, and on one line.
    const clean = (text: string | undefined): string =>
      (text ?? '').replaceAll(/\p{Cc}+/gu, ' ').slice(0, MESSAGE_CHARACTERS)
    return { status, code: clean(textOf(root, 'Code')), message: clean(textOf(root, 'Message')) }
  } catch {
    return { status, code: '', message: '' }
  }
}

export function wordsOf({ status, code, message }: Refusal): string {
  return [String(status), code, message === '' ? '' : `(${message})`].filter((word) => word !== '').join(' ')
}

/** Whether the same request may succeed in a while: the server is busy, broken, or another request was in the way (409). */
export function isPassing({ status, code }: Refusal): boolean {
  return status >= 500 || status === 409 || status === 429 || status === 408 || PASSING.has(code)
}

const PASSING: ReadonlySet<string> = new Set([
  'SlowDown',
  'ServiceUnavailable',
  'InternalError',
  'RequestTimeout',
  'RequestTimeoutException',
  'Throttling',
  'TooManyRequests',
  'BandwidthLimitExceeded',
])

/** Whether temporary credentials have to be fetched anew. */
export function isExpired({ code }: Refusal): boolean {
  return EXPIRED.has(code)
}

const EXPIRED: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'TokenRefreshRequired',
  'InvalidToken',
  'ExpiredTokenException',
])

/** A refusal that stays, as the error that the operator gets. */
export function refusalError(doing: string, refusal: Refusal, reply: Reply, source: string): MillraceError {
  const { status, code } = refusal
  const said = `${doing}: object storage answered ${wordsOf(refusal)}`
  const detail = { status, s3Code: code }
  const make = (message: string, options: Omit<MillraceErrorOptions, 'detail'>): MillraceError =>
    new MillraceError(message, { retry: 'halt', ...options, detail })
  if (status >= 300 && status < 400) {
    const region = reply.headers['x-amz-bucket-region']
    const hint =
      typeof region === 'string'
        ? `the bucket is in the region ${region}: set s3.region`
        : 'set s3.endpoint and s3.region'
    return make(`${said}, which is not followed; ${hint}`, { code: 'REDIRECT_DENIED' })
  }
  // MinIO's and Versity's words for a key that nobody has come with status 404.
  const isDenied = status === 401 || status === 403 || isExpired(refusal)
  if (isDenied || code === 'InvalidAccessKeyId' || code === 'XAdminUserNotFound') {
    return make(`${said}; the credentials come from ${source}`, { code: 'AUTH' })
  }
  if (code === 'NoSuchBucket') return make(`${said}; make the bucket, or correct the address`, { code: 'CONFIG' })
  if (isPassing(refusal)) return make(said, { code: 'UNAVAILABLE', retry: 'restart' })
  return make(said, { code: 'STORE_IO' })
}
