import { abortUpload, completeUpload, createObject, type Bucket } from '../clients/s3/index.ts'
import { MillraceError } from '../core/errors.ts'
import type { FileEntry, FileWriter } from '../core/file-store.ts'
import { PartSender } from './part-sender.ts'

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
  readonly #parts: PartSender
  #state: 'open' | 'finished' | 'aborted' | 'broken' = 'open'

  constructor(bucket: Bucket, path: string, key: string) {
    this.#bucket = bucket
    this.#path = path
    this.#key = key
    this.#parts = new PartSender(bucket, key)
  }

  get bytes(): number {
    return this.#parts.bytes
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#mustBeOpen('writing to')
    await this.#orBreak(() => this.#parts.write(chunk))
  }

  async finish(): Promise<FileEntry> {
    const entry = { path: this.#path, size: this.bytes }
    if (this.#state === 'finished') return entry
    this.#mustBeOpen('finishing')
    await this.#orBreak(async () => {
      const { unsent } = this.#parts
      const isOurs = unsent === undefined ? await this.#complete() : await this.#create(unsent)
      if (!isOurs) await this.#mustBeTheSame()
    })
    this.#state = 'finished'
    return entry
  }

  async abort(): Promise<void> {
    if (this.#state === 'finished' || this.#state === 'aborted') return
    this.#state = 'aborted'
    await this.#parts.abort()
  }

  async #create(bytes: Uint8Array): Promise<boolean> {
    const isCreated = (await createObject(this.#bucket, this.#key, bytes)) === 'created'
    this.#parts.release()
    return isCreated
  }

  async #complete(): Promise<boolean> {
    const { upload, etags } = await this.#parts.finish()
    const outcome = await completeUpload(this.#bucket, upload, etags)
    if (outcome === 'completed') return true
    await abortUpload(this.#bucket, upload).catch(() => undefined)
    if (outcome === 'exists') return false
    throw new MillraceError(
      `finishing ${this.#bucket.addressOf(this.#key)}: its parts are gone; does a rule of the bucket remove them?`,
      { code: 'STORE_IO', retry: 'restart' },
    )
  }

  /** What is there must have our size: then it is a repeated finish of the same content. */
  async #mustBeTheSame(): Promise<void> {
    const there = (await this.#bucket.head(this.#key))?.size
    if (there === this.bytes) return
    throw new MillraceError(
      `finishing ${this.#bucket.addressOf(this.#key)}: an object of another size is there (${there} bytes, ours has ` +
        `${this.bytes}); find out who else writes there`,
      { code: 'STORE_IO', retry: 'halt' },
    )
  }

  #mustBeOpen(doing: string): void {
    this.#parts.throwFailure()
    if (this.#state === 'open') return
    throw new MillraceError(`${doing} ${this.#path}: the writer is ${this.#state}`, { code: 'INTERNAL' })
  }

  async #orBreak(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (thrown) {
      this.#state = 'broken'
      throw thrown
    }
  }
}
