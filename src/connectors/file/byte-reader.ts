import type { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { MillraceError } from '../../core/errors.ts'
import type { OpenedFile } from './file-place.ts'
import type { FileSpec } from './split.ts'

/** The uncompressed content of a file from some byte on, in order. */
export interface ByteReader {
  /** Fills `into` from `start` to `end` or less; 0 means that there is nothing more now. */
  read(into: Buffer, start: number, end: number): Promise<number>
  /** Names that the open file still has; 0 when it was removed. `undefined` where nobody needs to know. */
  links(): Promise<number | undefined>
  close(): Promise<void>
}

/** A plain file. It may grow: after 0 the next call may find more. */
export class PlainBytes implements ByteReader {
  readonly #file: OpenedFile
  readonly #until: number
  #offset: number

  /** Takes over the file. */
  constructor(file: OpenedFile, offset: number, until: number | undefined) {
    this.#file = file
    this.#offset = offset
    this.#until = until ?? Number.POSITIVE_INFINITY
  }

  async read(into: Buffer, start: number, end: number): Promise<number> {
    const wanted = Math.min(end - start, this.#until - this.#offset)
    if (wanted <= 0) return 0
    const got = await this.#file.read(into, start, start + wanted, this.#offset)
    this.#offset += got
    return got
  }

  async links(): Promise<number | undefined> {
    return await this.#file.links()
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** A gzip or zstd file, of one or many members. Going on at an offset means decompressing from the start again. */
export class CompressedBytes implements ByteReader {
  readonly #spec: FileSpec
  readonly #decoder: ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>
  readonly #chunks: AsyncIterator<Buffer>
  readonly #file: OpenedFile
  readonly #source: Readable
  #skip: number
  #chunk: Buffer = Buffer.alloc(0)

  /** Takes over the file. */
  constructor(file: OpenedFile, spec: FileSpec, offset: number) {
    this.#spec = spec
    this.#skip = offset
    this.#file = file
    this.#source = file.stream()
    const options = { chunkSize: 256 * 1024 }
    this.#decoder = spec.compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options)
    this.#source.on('error', (error) => this.#decoder.destroy(error))
    this.#chunks = this.#source.pipe(this.#decoder)[Symbol.asyncIterator]()
  }

  async read(into: Buffer, start: number, end: number): Promise<number> {
    let at = start
    while (at < end) {
      if (this.#chunk.length === 0 && !(await this.#nextChunk())) break
      const taken = this.#chunk.copy(into, at, 0, Math.min(this.#chunk.length, end - at))
      this.#chunk = this.#chunk.subarray(taken)
      at += taken
    }
    return at - start
  }

  async links(): Promise<undefined> {
    return undefined
  }

  async close(): Promise<void> {
    this.#source.unpipe(this.#decoder)
    this.#decoder.destroy()
    await new Promise<void>((resolve) => {
      if (this.#source.closed) return resolve()
      this.#source.once('close', resolve)
      this.#source.destroy()
    })
    // The stream of a local file has closed it.
    await this.#file.close()
  }

  async #nextChunk(): Promise<boolean> {
    for (;;) {
      const next = await this.#chunks.next().catch((thrown: unknown) => {
        throw this.#damaged(thrown instanceof Error ? thrown.message : String(thrown), thrown)
      })
      if (next.done === true) {
        this.#mustBeWhole()
        return false
      }
      const chunk = next.value
      const skipped = Math.min(this.#skip, chunk.length)
      this.#skip -= skipped
      this.#chunk = chunk.subarray(skipped)
      if (this.#chunk.length > 0) return true
    }
  }

  /** Node's zstd decoder stops silently at bytes that begin no frame; gzip may be padded with zeros. */
  #mustBeWhole(): void {
    const consumed = this.#decoder.bytesWritten
    if (this.#spec.compression === 'zstd' && consumed < this.#spec.identity.size) {
      throw this.#damaged(`after byte ${consumed} comes something that is no ${this.#spec.compression} frame`)
    }
    if (this.#skip > 0) throw this.#damaged(`it ends ${this.#skip} bytes before our position`)
  }

  #damaged(why: string, cause?: unknown): MillraceError {
    const { path, compression } = this.#spec
    return new MillraceError(
      `decompressing ${path} (${compression}): ${why}; the file must be complete before it gets its name`,
      { code: 'DECODE', retry: 'halt', cause, detail: { file: path } },
    )
  }
}
