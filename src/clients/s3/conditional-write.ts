import { randomUUID } from 'node:crypto'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import { NONCE_HEADER, type Bucket } from './bucket.ts'
import type { Endpoint } from './endpoint.ts'
import type { Reply } from './exchange.ts'
import type { S3Request } from './s3-client.ts'

/** Words for "somebody's object is there". Alibaba OSS says it with status 409. */
export const EXISTS_CODES: readonly string[] = ['PreconditionFailed', 'FileAlreadyExists']
export const EXISTS_STATUS = 412

/**
 * Creates an object with these bytes if there is none.
 *
 * The answer to a conditional PUT may be lost, and the repeated PUT then meets the object of the first. So every object
 * carries a nonce of its call, and after an attempt that may have arrived, `exists` is believed only of an object with
 * another nonce. 409 means that nothing landed.
 *
 * @throws MillraceError whose `isUnresolved` is true when it could not be found out whether the object was written.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export async function createObject(bucket: Bucket, key: string, body: Uint8Array): Promise<'created' | 'exists'> {
  const nonce = randomUUID()
  const request: S3Request = {
    doing: `creating ${bucket.addressOf(key)}`,
    method: 'PUT',
    bucket: bucket.name,
    key,
    headers: { ...onlyIfAbsent(bucket.client.endpoint), [NONCE_HEADER]: nonce },
    body,
    answers: [EXISTS_STATUS],
    answerCodes: EXISTS_CODES,
  }
  const outcome = await settle(bucket, {
    key,
    nonce,
    request,
    judge: (reply) => (reply.status < 300 ? 'done' : 'exists'),
  })
  return outcome === 'done' ? 'created' : 'exists'
}

/** The header that makes a write conditional. */
export function onlyIfAbsent({ flavor }: Endpoint): Record<string, string> {
  return flavor === 'oss' ? { 'x-oss-forbid-overwrite': 'true' } : { 'if-none-match': '*' }
}

/** A conditional request, and what its answers mean. `gone`: what it would have made visible is not there any more. */
export interface ConditionalWrite {
  readonly key: string
  readonly nonce: string
  readonly request: S3Request
  readonly judge: (reply: Reply) => 'done' | 'exists' | 'gone'
}

/** Repeats a conditional request until its outcome is known. */
export async function settle(bucket: Bucket, write: ConditionalWrite): Promise<'done' | 'exists' | 'gone'> {
  const retry = bucket.client.retries()
  let mayHaveArrived = false
  try {
    for (;;) {
      const attempt = await bucket.client.attempt(write.request)
      if (attempt.kind === 'answer') {
        const outcome = write.judge(attempt.reply)
        return mayHaveArrived && outcome !== 'done' ? ((await whose(bucket, write)) ?? outcome) : outcome
      }
      mayHaveArrived ||= attempt.mayHaveArrived
      const found = mayHaveArrived ? await whose(bucket, write) : undefined
      if (found !== undefined) return found
      await retry.pause(attempt)
    }
  } catch (thrown) {
    throw mayHaveArrived ? unresolved(toMillraceError(thrown)) : thrown
  }
}

/** Ours or somebody else's; `undefined` when there is no object. */
async function whose(bucket: Bucket, { key, nonce }: ConditionalWrite): Promise<'done' | 'exists' | undefined> {
  const head = await bucket.head(key)
  if (head === undefined) return undefined
  return head.nonce === nonce ? 'done' : 'exists'
}

function unresolved(error: MillraceError): MillraceError {
  return new MillraceError(`${error.message}; whether it was written is not known`, {
    code: error.code,
    retry: error.retry === 'halt' ? 'halt' : 'restart',
    detail: { ...error.detail, isUnresolved: true },
    cause: error,
  })
}
