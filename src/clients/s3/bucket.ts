import { createHash } from 'node:crypto'
import { MillraceError } from '../../core/errors.ts'
import type { Reply } from './exchange.ts'
import type { S3Client } from './s3-client.ts'
import { childrenOf, escapeXml, parseXml, textOf, type XmlElement } from './xml.ts'

export interface ListedObject {
  readonly key: string
  readonly size: number
  readonly etag: string
}

export interface ObjectHead {
  readonly size: number
  readonly etag: string
  /** Of the call that wrote the object; absent when it was written by somebody else. */
  readonly nonce: string | undefined
}

/** Bytes from `start` up to `end`, of the object with this tag where one is named. */
export interface ObjectRange {
  readonly start: number
  readonly end: number
  readonly etag?: string | undefined
}

/** The most that is read into memory as one piece. */
const WHOLE_BYTES_MAX = 1024 * 1024 * 1024
/** The most keys that one request may delete. */
const DELETE_AT_ONCE = 1000
export const NONCE_HEADER = 'x-amz-meta-millrace-nonce'

/** Requests about the objects of one bucket that may be repeated at will. */
export class Bucket {
  readonly client: S3Client
  readonly name: string

  constructor(client: S3Client, name: string) {
    this.client = client
    this.name = name
  }

  async get(key: string, range?: ObjectRange): Promise<Buffer | undefined> {
    // A range is from the first to the last byte, both included.
    const headers = {
      ...(range !== undefined && { range: `bytes=${range.start}-${range.end - 1}` }),
      ...(range?.etag !== undefined && { 'if-match': range.etag }),
    }
    const reply = await this.client.send({
      doing: `reading ${this.addressOf(key)}`,
      method: 'GET',
      bucket: this.name,
      key,
      headers,
      answers: [404, 412, 416],
      replyBytesMax: range === undefined ? WHOLE_BYTES_MAX : Math.max(range.end - range.start, 64 * 1024),
    })
    if (reply.status === 404 || reply.status === 412) return undefined
    // The object ends before the range begins.
    if (reply.status === 416) return Buffer.alloc(0)
    if (range === undefined || reply.status === 206) return reply.body
    // A server that does not know ranges sends the whole object.
    return reply.body.subarray(range.start, range.end)
  }

  async head(key: string): Promise<ObjectHead | undefined> {
    const doing = `looking at ${this.addressOf(key)}`
    const reply = await this.client.send({ doing, method: 'HEAD', bucket: this.name, key, answers: [404] })
    if (reply.status === 404) return undefined
    const nonce = reply.headers[NONCE_HEADER]
    return {
      size: Number(reply.headers['content-length'] ?? 0),
      etag: reply.headers.etag ?? '',
      nonce: typeof nonce === 'string' ? nonce : undefined,
    }
  }

  /** Writes the object, replacing what is there. */
  async put(key: string, body: Uint8Array): Promise<void> {
    await this.client.send({ doing: `writing ${this.addressOf(key)}`, method: 'PUT', bucket: this.name, key, body })
  }

  async delete(key: string): Promise<void> {
    const doing = `removing ${this.addressOf(key)}`
    await this.client.send({ doing, method: 'DELETE', bucket: this.name, key, answers: [404] })
  }

  /** Removes many objects, a thousand with one request. Objects that are not there are no error. */
  async deleteAll(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += DELETE_AT_ONCE) await this.#deletePart(keys.slice(at, at + DELETE_AT_ONCE))
  }

  async #deletePart(keys: readonly string[]): Promise<void> {
    const doing = `removing ${keys.length} objects of s3://${this.name}`
    const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`).join('')
    const body = Buffer.from(`<Delete><Quiet>true</Quiet>${objects}</Delete>`)
    const reply = await this.client.send({
      doing,
      method: 'POST',
      bucket: this.name,
      key: '',
      query: { delete: '' },
      // S3 refuses this request without a checksum of its body.
      headers: { 'content-md5': createHash('md5').update(body).digest('base64') },
      body,
    })
    const [first] = childrenOf(replyXml(doing, reply), 'Error').filter((error) => textOf(error, 'Code') !== 'NoSuchKey')
    if (first === undefined) return
    throw new MillraceError(`${doing}: ${textOf(first, 'Key')} was refused with ${textOf(first, 'Code')}`, {
      code: textOf(first, 'Code') === 'AccessDenied' ? 'AUTH' : 'STORE_IO',
    })
  }

  /** Objects whose keys begin with `prefix`, in the order of their keys; `after`: only those behind this key. */
  async *list(
    prefix: string,
    options: { readonly after?: string; readonly pageSize?: number } = {},
  ): AsyncIterable<ListedObject> {
    const doing = `listing ${this.addressOf(prefix)}`
    let token: string | undefined
    do {
      const reply = await this.client.send({
        doing,
        method: 'GET',
        bucket: this.name,
        key: '',
        query: {
          'list-type': '2',
          prefix,
          ...(options.pageSize !== undefined && { 'max-keys': String(options.pageSize) }),
          ...(token !== undefined
            ? { 'continuation-token': token }
            : options.after !== undefined && { 'start-after': options.after }),
        },
      })
      const page = replyXml(doing, reply)
      for (const entry of childrenOf(page, 'Contents')) {
        const key = textOf(entry, 'Key')
        if (key === undefined) continue
        yield { key, size: Number(textOf(entry, 'Size') ?? 0), etag: textOf(entry, 'ETag') ?? '' }
      }
      token = textOf(page, 'IsTruncated') === 'true' ? textOf(page, 'NextContinuationToken') : undefined
    } while (token !== undefined)
  }

  addressOf(key: string): string {
    return this.client.addressOf(this.name, key)
  }
}

/** The XML of a reply with status 200. A server that sends something else is not speaking S3. */
export function replyXml(doing: string, { body }: Reply): XmlElement {
  try {
    return parseXml(body.toString('utf8'))
  } catch (cause) {
    throw new MillraceError(`${doing}: the answer is no XML of S3; is this the right endpoint?`, {
      code: 'STORE_IO',
      cause,
    })
  }
}
