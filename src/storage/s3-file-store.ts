import { createObject, PROBE_NAME, proveConditions, type Bucket } from '../clients/s3/index.ts'
import type { FileEntry, FileStore, FileWriter, Staging } from '../core/file-store.ts'
import { S3FileWriter } from './s3-file-writer.ts'
import { S3Staging } from './s3-staging.ts'
import { checkRange, checkStorePath, checkStorePrefix } from './store-path.ts'

/**
 * Files as objects below a prefix of a bucket. An object appears whole and durable, or not at all; creating is a
 * conditional write (clients/s3/conditional-write.ts). Before the first one the server has to prove that it honours them.
 *
 * Errors: `UNAVAILABLE` with `restart` while the server is away, `AUTH`, `CONFIG` for a missing bucket, `PREFLIGHT` for a
 * server without conditional writes, `STORE_IO` for every other refusal.
 */
export class S3FileStore implements FileStore {
  readonly root: string
  readonly staging: Staging
  readonly #bucket: Bucket
  readonly #prefix: string

  /** `prefix` is empty or ends in a slash. */
  constructor(bucket: Bucket, prefix: string) {
    this.#bucket = bucket
    this.#prefix = prefix
    this.root = bucket.addressOf(prefix).replace(/\/$/, '')
    this.staging = new S3Staging({
      bucket,
      keyOf: (path) => this.#key(path),
      prefixOf: (path) => {
        checkStorePrefix(path)
        return prefix + path
      },
      pathOf: (key) => key.slice(prefix.length),
      ready: () => proveConditions(bucket, prefix),
    })
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return await this.#bucket.get(this.#key(path))
  }

  async readRange(path: string, start: number, end: number, version?: string): Promise<Uint8Array | undefined> {
    const key = this.#key(path)
    checkRange(path, start, end)
    // HTTP has no empty ranges.
    if (start < end) return await this.#bucket.get(key, { start, end, etag: version })
    return (await this.#bucket.head(key)) === undefined ? undefined : new Uint8Array()
  }

  async create(path: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    const key = this.#key(path)
    await proveConditions(this.#bucket, this.#prefix)
    return await createObject(this.#bucket, key, bytes)
  }

  /** Not for what decides anything: a request whose answer was lost may arrive after a later one. */
  async replace(path: string, bytes: Uint8Array): Promise<void> {
    await this.#bucket.put(this.#key(path), bytes)
  }

  async remove(path: string): Promise<void> {
    await this.#bucket.delete(this.#key(path))
  }

  async size(path: string): Promise<number | undefined> {
    return (await this.#bucket.head(this.#key(path)))?.size
  }

  async *list(prefix: string): AsyncIterable<FileEntry> {
    checkStorePrefix(prefix)
    for await (const { key, size, etag } of this.#bucket.list(this.#prefix + prefix)) {
      const path = key.slice(this.#prefix.length)
      if (isStorePath(path)) yield { path, size, version: etag }
    }
  }

  async openWriter(path: string): Promise<FileWriter> {
    const key = this.#key(path)
    await proveConditions(this.#bucket, this.#prefix)
    return new S3FileWriter(this.#bucket, path, key)
  }

  #key(path: string): string {
    checkStorePath(path)
    return this.#prefix + path
  }
}

/** Objects of others may have names that no path has, such as the `folder/` of web consoles. The probe is nobody's file. */
function isStorePath(path: string): boolean {
  const parts = path.split('/')
  return parts.at(-1) !== PROBE_NAME && parts.every((part) => part !== '' && part !== '.' && part !== '..')
}
