import { MillraceError } from '../core/errors.ts'
import type { FileEntry, FileStore, FileWriter } from '../core/file-store.ts'
import { checkRange, checkStorePath, checkStorePrefix } from '../storage/store-path.ts'

/**
 * A file store in memory that can die: after `stopAfter(k)` it carries out `k` more changes and then fails every call,
 * as if the process had been killed just before the next one. `files` survives; open another store on it to go on.
 */
export class MemoryFileStore implements FileStore {
  readonly root = 'memory:'
  readonly files: Map<string, Uint8Array>
  /** Changes carried out so far: creates, replaces, removals and finished writers. */
  changes = 0
  #left = Number.POSITIVE_INFINITY

  constructor(files: Map<string, Uint8Array> = new Map()) {
    this.files = files
  }

  stopAfter(changes: number): void {
    this.#left = changes
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    this.#alive(path)
    const bytes = this.files.get(path)
    return bytes === undefined ? undefined : new Uint8Array(bytes)
  }

  async readRange(path: string, start: number, end: number): Promise<Uint8Array | undefined> {
    checkRange(path, start, end)
    return (await this.read(path))?.subarray(start, end)
  }

  async create(path: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    this.#change(path)
    if (this.files.has(path)) return 'exists'
    this.files.set(path, new Uint8Array(bytes))
    return 'created'
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.#change(path)
    this.files.set(path, new Uint8Array(bytes))
  }

  async remove(path: string): Promise<void> {
    this.#change(path)
    this.files.delete(path)
  }

  async size(path: string): Promise<number | undefined> {
    this.#alive(path)
    return this.files.get(path)?.byteLength
  }

  async *list(prefix: string): AsyncIterable<FileEntry> {
    checkStorePrefix(prefix)
    if (this.#left < 0) throw stopped(prefix)
    for (const [path, bytes] of [...this.files]) {
      if (path.startsWith(prefix)) yield { path, size: bytes.byteLength }
    }
  }

  async openWriter(path: string): Promise<FileWriter> {
    this.#alive(path)
    const chunks: Uint8Array[] = []
    let state: 'open' | 'finished' | 'aborted' = 'open'
    const size = (): number => chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    const mustBeOpen = (): void => {
      if (state !== 'open') throw new MillraceError(`writing ${path}: the writer is ${state}`, { code: 'INTERNAL' })
    }
    const finish = async (): Promise<FileEntry> => {
      if (state === 'finished') return { path, size: size() }
      mustBeOpen()
      const result = await this.create(path, Buffer.concat(chunks))
      if (result === 'exists' && this.files.get(path)?.byteLength !== size()) throw different(path)
      state = 'finished'
      return { path, size: size() }
    }
    return {
      get bytes(): number {
        return size()
      },
      write: async (chunk) => {
        mustBeOpen()
        chunks.push(new Uint8Array(chunk))
      },
      finish,
      abort: async () => {
        if (state === 'open') state = 'aborted'
      },
    }
  }

  #alive(path: string): void {
    checkStorePath(path)
    if (this.#left < 0) throw stopped(path)
  }

  #change(path: string): void {
    checkStorePath(path)
    if (--this.#left < 0) throw stopped(path)
    this.changes++
  }
}

/** True for the error of a store that was told to stop. */
export function isStopped(thrown: unknown): boolean {
  return thrown instanceof MillraceError && thrown.detail['stopped'] === true
}

function stopped(path: string): MillraceError {
  return new MillraceError(`the process was killed before it touched ${path}`, {
    code: 'INTERRUPTED',
    detail: { stopped: true },
  })
}

function different(path: string): MillraceError {
  return new MillraceError(`finishing ${path}: a file of another size is there`, { code: 'STORE_IO' })
}
