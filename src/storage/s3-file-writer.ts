import {
  abortUpload,
  beginUpload,
  completeUpload,
  createObject,
  PARTS_MAX,
  uploadPart,
  type Bucket,
  type UploadHandle,
} from '../clients/s3/index.ts'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import type { FileEntry, FileWriter } from '../core/file-store.ts'
import { PartBuffer } from './part-buffer.ts'

/** Parts of one file that are on their way at the same time; each is in memory until then. */
const PARTS_AT_ONCE = 3

/**
 * An object that becomes visible at `finish`. What fits into one part is written with one conditional request, anything
 * larger as a multipart upload whose completion is conditional.
 *
 *   open ──finish──► finished        open ──abort──► aborted        open ──any error──► broken (only abort is left)
 */
export class S3FileWriter implements FileWriter {
  readonly #bucket: Bucket
  readonly #path: string
  readonly #key: string
  readonly #buffer = new PartBuffer()
  readonly #sending = new Set<Promise<void>>()
  readonly #etags: string[] = []
  #upload: Promise<UploadHandle> | undefined
  #parts = 0
  #bytes = 0
  #failure: MillraceError | undefined
  #state: 'open' | 'finished' | 'aborted' = 'open'

  constructor(bucket: Bucket, path: string, key: string) {
    this.#bucket = bucket
    this.#path = path
    this.#key = key
  }

  get bytes(): number {
    return this.#bytes
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#mustBeOpen('writing to')
    this.#bytes += chunk.byteLength
    for (let rest = chunk; rest.byteLength > 0;) {
      rest = rest.subarray(this.#buffer.append(rest))
      if (this.#buffer.isFull) await this.#sendPart()
    }
  }

  async finish(): Promise<FileEntry> {
    const entry = { path: this.#path, size: this.#bytes }
    if (this.#state === 'finished') return entry
    this.#mustBeOpen('finishing')
    const isOurs = await this.#orBreak(() => (this.#parts === 0 ? this.#finishSmall() : this.#finishUpload()))
    if (!isOurs) await this.#orBreak(() => this.#mustBeTheSame())
    this.#state = 'finished'
    return entry
  }

  async abort(): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = 'aborted'
    this.#buffer.release()
    await Promise.allSettled(this.#sending)
    const upload = await this.#upload?.catch(() => undefined)
    // Parts that stay cost money and are seen by nobody; a rule of the bucket may remove them.
    if (upload !== undefined) await abortUpload(this.#bucket, upload).catch(() => undefined)
  }

  async #finishSmall(): Promise<boolean> {
    const isCreated = (await createObject(this.#bucket, this.#key, this.#buffer.bytes)) === 'created'
    this.#buffer.release()
    return isCreated
  }

  async #finishUpload(): Promise<boolean> {
    if (this.#buffer.bytes.byteLength > 0) await this.#sendPart()
    await Promise.all(this.#sending)
    this.#throwFailure()
    const upload = await this.#begun()
    const outcome = await completeUpload(this.#bucket, upload, this.#etags)
    if (outcome === 'completed') return true
    await abortUpload(this.#bucket, upload).catch(() => undefined)
    if (outcome === 'exists') return false
    throw new MillraceError(
      `finishing ${this.#bucket.addressOf(this.#key)}: its parts are gone; does a rule of the bucket remove them?`,
      { code: 'STORE_IO', retry: 'restart' },
    )
  }

  /** Sends the gathered part while the next one is gathered; waits while too many are on their way. */
  async #sendPart(): Promise<void> {
    if (this.#parts === PARTS_MAX) {
      throw new MillraceError(`${this.#bucket.addressOf(this.#key)} has more parts than S3 takes; end files sooner`, {
        code: 'STORE_IO',
      })
    }
    const part = this.#parts++
    const taken = this.#buffer.take()
    const sent = this.#begun()
      .then(async (upload) => {
        this.#etags[part] = await uploadPart(this.#bucket, upload, part + 1, taken.bytes)
      })
      .catch((thrown: unknown) => {
        this.#failure ??= toMillraceError(thrown)
      })
      .finally(() => {
        taken.release()
        this.#sending.delete(sent)
      })
    this.#sending.add(sent)
    while (this.#sending.size >= PARTS_AT_ONCE) await Promise.race(this.#sending)
    this.#throwFailure()
  }

  #begun(): Promise<UploadHandle> {
    this.#upload ??= beginUpload(this.#bucket, this.#key)
    return this.#upload
  }

  /** What is there must have our size: then it is a repeated finish of the same content. */
  async #mustBeTheSame(): Promise<void> {
    const there = (await this.#bucket.head(this.#key))?.size
    if (there === this.#bytes) return
    throw new MillraceError(
      `finishing ${this.#bucket.addressOf(this.#key)}: an object of another size is there (${there} bytes, ours has ` +
        `${this.#bytes}); find out who else writes there`,
      { code: 'STORE_IO', retry: 'halt' },
    )
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #mustBeOpen(doing: string): void {
    this.#throwFailure()
    if (this.#state === 'open') return
    throw new MillraceError(`${doing} ${this.#path}: the writer is ${this.#state}`, { code: 'INTERNAL' })
  }

  async #orBreak<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (thrown) {
      this.#failure ??= toMillraceError(thrown)
      throw thrown
    }
  }
}
