import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeError } from './staging.ts'

/** A file that is being staged: written in order, durable after `finish`. */
export class StagedFile {
  readonly path: string
  readonly #handle: FileHandle
  #bytes = 0
  #isClosed = false

  private constructor(path: string, handle: FileHandle) {
    this.path = path
    this.#handle = handle
  }

  static async create(path: string): Promise<StagedFile> {
    try {
      await makeDirectories(dirname(path))
      return new StagedFile(path, await open(path, 'wx'))
    } catch (thrown) {
      throw writeError(`creating ${path}`, thrown)
    }
  }

  get bytes(): number {
    return this.#bytes
  }

  async write(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length;) {
        const { bytesWritten } = await this.#handle.write(chunk, at)
        at += bytesWritten
      }
      this.#bytes += chunk.length
    } catch (thrown) {
      throw writeError(`writing ${this.path}`, thrown)
    }
  }

  /** Makes content and name durable. */
  async finish(): Promise<void> {
    try {
      await this.#handle.sync()
      await this.close()
      await syncDirectory(dirname(this.path))
    } catch (thrown) {
      throw writeError(`syncing ${this.path}`, thrown)
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#handle.close()
  }

  /** Throws the file away; what cannot be removed now is swept at the next start. */
  async discard(): Promise<void> {
    await this.close().catch(() => undefined)
    await rm(this.path, { force: true }).catch(() => undefined)
  }
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, 'r')
  await handle.sync()
}

/** Makes a directory and those above it, each durable in its parent. */
async function makeDirectories(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made))
}
