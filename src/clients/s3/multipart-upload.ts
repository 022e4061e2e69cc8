import { randomUUID } from 'node:crypto'
import { MillraceError } from '../../core/errors.ts'
import { NONCE_HEADER, replyXml, type Bucket } from './bucket.ts'
import { EXISTS_CODES, EXISTS_STATUS, onlyIfAbsent, settle } from './conditional-write.ts'
import type { S3Request } from './s3-client.ts'
import { childrenOf, escapeXml, textOf } from './xml.ts'

/** Every part but the last has to have at least 5 MiB, and some servers want equal ones. */
export const PARTS_MAX = 10_000

/** What another process needs to complete an upload, or to find out what became of it. Plain data. */
export interface UploadHandle {
  readonly key: string
  readonly uploadId: string
  readonly nonce: string
}

/**
 * An object in parts. Nothing of it can be read before `completeUpload`, and then all of it.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
 */
export async function beginUpload(bucket: Bucket, key: string, signal?: AbortSignal): Promise<UploadHandle> {
  const nonce = randomUUID()
  const doing = `beginning ${bucket.addressOf(key)}`
  const headers = { [NONCE_HEADER]: nonce }
  const query = { uploads: '' }
  const reply = await bucket.client.send({ ...at(bucket, key), doing, method: 'POST', query, headers, signal })
  const uploadId = textOf(replyXml(doing, reply), 'UploadId')
  if (uploadId === undefined || uploadId === '') {
    throw new MillraceError(`${doing}: the answer names no upload; is this the right endpoint?`, { code: 'STORE_IO' })
  }
  return { key, uploadId, nonce }
}

/**
 * Uploads a part (numbers begin at 1) and returns its tag. A repeated part replaces the one before.
 *
 * @throws MillraceError `UNAVAILABLE`, to begin anew, when the upload was thrown away.
 */
export async function uploadPart(
  bucket: Bucket,
  { key, uploadId }: UploadHandle,
  part: number,
  body: Uint8Array,
  signal?: AbortSignal,
): Promise<string> {
  const doing = `writing part ${part} of ${bucket.addressOf(key)}`
  const query = { partNumber: String(part), uploadId }
  const gone = ['NoSuchUpload']
  const reply = await bucket.client.send({
    ...at(bucket, key),
    doing,
    method: 'PUT',
    query,
    body,
    signal,
    answerCodes: gone,
  })
  if (reply.status === 404) {
    const message = `${doing}: the upload is not there any more; another instance of the pipeline or a rule of the bucket has thrown it away`
    throw new MillraceError(message, { code: 'UNAVAILABLE', retry: 'restart' })
  }
  const { etag } = reply.headers
  if (etag !== undefined) return etag
  throw new MillraceError(`${doing}: the answer has no ETag; is this the right endpoint?`, { code: 'STORE_IO' })
}

/**
 * Makes the object visible if there is none under its key. `gone`: the server knows neither the upload nor an object
 * that it became.
 *
 * @throws MillraceError whose detail has `isUnresolved` when the outcome could not be found out.
 */
export async function completeUpload(
  bucket: Bucket,
  { key, uploadId, nonce }: UploadHandle,
  etags: readonly string[],
): Promise<'completed' | 'exists' | 'gone'> {
  const parts = etags.map(
    (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
  )
  const request: S3Request = {
    ...at(bucket, key),
    doing: `completing ${bucket.addressOf(key)}`,
    method: 'POST',
    query: { uploadId },
    headers: onlyIfAbsent(bucket.client.endpoint),
    body: Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`),
    answers: [EXISTS_STATUS],
    // Of an upload whose parts are gone, servers say the one or the other.
    answerCodes: [...EXISTS_CODES, 'NoSuchUpload', 'InvalidPart'],
  }
  const outcome = await settle(bucket, {
    key,
    nonce,
    request,
    judge: ({ status }) => (status < 300 ? 'done' : status === 404 || status === 400 ? 'gone' : 'exists'),
  })
  // Another process, or an earlier life of this one, may have completed the very same upload.
  if (outcome !== 'done' && (await bucket.head(key))?.nonce === nonce) return 'completed'
  return outcome === 'done' ? 'completed' : outcome
}

/** Throws away the parts. An upload that is not there any more is no error. */
export async function abortUpload(
  bucket: Bucket,
  { key, uploadId }: UploadHandle,
  signal?: AbortSignal,
): Promise<void> {
  const doing = `throwing away the parts of ${bucket.addressOf(key)}`
  await bucket.client.send({ ...at(bucket, key), doing, method: 'DELETE', query: { uploadId }, answers: [404], signal })
}

/** Whether the server still has the parts. */
export async function hasUpload(bucket: Bucket, { key, uploadId }: UploadHandle): Promise<boolean> {
  const doing = `looking for the parts of ${bucket.addressOf(key)}`
  const query = { uploadId, 'max-parts': '1' }
  const reply = await bucket.client.send({ ...at(bucket, key), doing, method: 'GET', query, answers: [404] })
  return reply.status !== 404
}

/** Uploads under a prefix that were begun and neither completed nor thrown away. */
export async function* listUploads(
  bucket: Bucket,
  prefix: string,
): AsyncIterable<{ readonly key: string; readonly uploadId: string }> {
  const doing = `listing unfinished uploads below ${bucket.addressOf(prefix)}`
  let marker: Record<string, string> | undefined = {}
  while (marker !== undefined) {
    const query: Record<string, string> = { uploads: '', prefix, ...marker }
    const reply = await bucket.client.send({ ...at(bucket, ''), doing, method: 'GET', query })
    const page = replyXml(doing, reply)
    for (const entry of childrenOf(page, 'Upload')) {
      const key = textOf(entry, 'Key')
      const uploadId = textOf(entry, 'UploadId')
      if (key !== undefined && uploadId !== undefined) yield { key, uploadId }
    }
    const next: string | undefined = textOf(page, 'IsTruncated') === 'true' ? textOf(page, 'NextKeyMarker') : undefined
    const nextId = textOf(page, 'NextUploadIdMarker') ?? ''
    marker = next === undefined ? undefined : { 'key-marker': next, 'upload-id-marker': nextId }
  }
}

function at(bucket: Bucket, key: string): { readonly bucket: string; readonly key: string } {
  return { bucket: bucket.name, key }
}
