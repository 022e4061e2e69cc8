import {
  abortUpload,
  completeUpload,
  hasUpload,
  listUploads,
  unfinishedUploadsLiveMs,
  type Bucket,
  type UploadHandle,
} from '../clients/s3/index.ts'
import { assert } from '../core/assert.ts'
import type { StagedFile, StagedWriter, Staging } from '../core/file-store.ts'
import { PartSender } from './part-sender.ts'

/** What the store does for every path. */
export interface StagingPort {
  readonly bucket: Bucket
  keyOf(path: string): string
  prefixOf(prefix: string): string
  pathOf(key: string): string
  /** Conditional writes are proven before the first one. */
  ready(): Promise<void>
}

/** Staged files as multipart uploads that wait for their completion: no reader sees them, and placing copies nothing. */
export class S3Staging implements Staging {
  readonly #port: StagingPort

  constructor(port: StagingPort) {
    this.#port = port
  }

  async openWriter(path: string): Promise<StagedWriter> {
    const { bucket } = this.#port
    const key = this.#port.keyOf(path)
    await this.#port.ready()
    const parts = new PartSender(bucket, key)
    return {
      get bytes() {
        return parts.bytes
      },
      write: (chunk) => parts.write(chunk),
      finish: async () => {
        const { upload, etags } = await parts.finish()
        const { uploadId, nonce } = upload
        return { path, size: parts.bytes, token: { uploadId, nonce, etags } }
      },
      discard: () => parts.abort(),
    }
  }

  async look(file: StagedFile): Promise<'placed' | 'waiting' | 'taken' | 'gone'> {
    const { bucket } = this.#port
    const { upload } = this.#read(file)
    const [head, isWaiting] = [await bucket.head(upload.key), await hasUpload(bucket, upload)]
    if (head !== undefined) return head.nonce === upload.nonce ? 'placed' : 'taken'
    if (isWaiting) return 'waiting'
    // It may have been placed between the two questions.
    return (await bucket.head(upload.key))?.nonce === upload.nonce ? 'placed' : 'gone'
  }

  async place(file: StagedFile): Promise<'placed' | 'taken' | 'gone'> {
    const { upload, etags } = this.#read(file)
    await this.#port.ready()
    const outcome = await completeUpload(this.#port.bucket, upload, etags)
    return outcome === 'completed' ? 'placed' : outcome === 'exists' ? 'taken' : 'gone'
  }

  async drop(file: StagedFile): Promise<void> {
    await abortUpload(this.#port.bucket, this.#read(file).upload)
  }

  async *list(prefix: string): AsyncIterable<{ readonly path: string; drop(): Promise<void> }> {
    const { bucket } = this.#port
    for await (const { key, uploadId } of listUploads(bucket, this.#port.prefixOf(prefix))) {
      const drop = (): Promise<void> => abortUpload(bucket, { key, uploadId, nonce: '' })
      yield { path: this.#port.pathOf(key), drop }
    }
  }

  lifeMs(): Promise<number | undefined> {
    return unfinishedUploadsLiveMs(this.#port.bucket, this.#port.prefixOf(''))
  }

  #read({ path, token }: StagedFile): { readonly upload: UploadHandle; readonly etags: readonly string[] } {
    const { uploadId, nonce, etags } = token
    const isOurs = typeof uploadId === 'string' && typeof nonce === 'string' && Array.isArray(etags)
    assert(isOurs, 'a staged file of object storage names its upload')
    return { upload: { key: this.#port.keyOf(path), uploadId, nonce }, etags: etags.map(String) }
  }
}
