import type { FileHandle } from 'node:fs/promises'
import type { ByteRanges } from '../../dataplane/parquet-source/index.ts'
import type { FilePlace, FoundFile, OpenedFile } from './file-place.ts'
import { findFiles, splitName } from './find-files.ts'
import { checkIdentity, describeFile, lost, openFile, readError } from './identity.ts'
import type { FileSpec } from './split.ts'

/** Files of this machine. */
export class DiskPlace implements FilePlace {
  readonly canGrow = true
  readonly discoveryMs = 2_000
  readonly #path: string
  readonly #baseDirectory: string

  constructor(path: string, baseDirectory: string) {
    this.#path = path
    this.#baseDirectory = baseDirectory
  }

  async find(): Promise<readonly FoundFile[]> {
    const paths = await findFiles(this.#path, this.#baseDirectory)
    return paths.map((path) => ({ path, name: splitName(path, this.#baseDirectory) }))
  }

  async describe({ path }: FoundFile): Promise<FileSpec> {
    return await describeFile(path)
  }

  async open(spec: FileSpec, immutable: boolean, from: number = 0): Promise<OpenedFile> {
    const handle = await openFile(spec.path)
    try {
      const { size } = await handle.stat()
      if (size < from) throw lost(spec.path, `it has ${size} bytes, our position is byte ${from}`, 'POSITION_AHEAD')
      await checkIdentity(handle, spec, immutable)
      return new DiskFile(handle, spec.path, size)
    } catch (thrown) {
      await handle.close()
      throw thrown
    }
  }

  async ranges(spec: FileSpec): Promise<ByteRanges> {
    const { path, identity } = spec
    await using handle = await openFile(path)
    await checkIdentity(handle, spec, true)
    return { name: path, size: identity.size, read: (start, end) => readRange(path, start, end) }
  }
}

/** Opened for each read, so that nobody has to close anything. */
async function readRange(path: string, start: number, end: number): Promise<Uint8Array> {
  await using handle = await openFile(path)
  const bytes = Buffer.allocUnsafeSlow(end - start)
  let filled = 0
  try {
    while (filled < bytes.length) {
      const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
  } catch (thrown) {
    throw readError(path, thrown)
  }
  return bytes.subarray(0, filled)
}

class DiskFile implements OpenedFile {
  readonly size: number
  readonly #handle: FileHandle
  readonly #path: string

  /** Takes over the handle. */
  constructor(handle: FileHandle, path: string, size: number) {
    this.#handle = handle
    this.#path = path
    this.size = size
  }

  async read(into: Buffer, start: number, end: number, position: number): Promise<number> {
    try {
      return (await this.#handle.read(into, start, end - start, position)).bytesRead
    } catch (thrown) {
      throw readError(this.#path, thrown)
    }
  }

  stream(): ReturnType<OpenedFile['stream']> {
    return this.#handle.createReadStream({ start: 0, highWaterMark: 1024 * 1024 })
  }

  async links(): Promise<number> {
    return (await this.#handle.stat()).nlink
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}
