import { posix } from 'node:path'
import { Readable } from 'node:stream'
import type { FileStore, OpenStore } from '../../core/file-store.ts'
import type { S3Options } from '../../core/options.ts'
import type { ByteRanges } from '../../dataplane/parquet-source/index.ts'
import { compressionOf, lost } from './identity.ts'
import type { FilePlace, FoundFile, OpenedFile } from './file-place.ts'
import { hasMagic } from './find-files.ts'
import { objectIdentity, type FileSpec } from './split.ts'

/** Bytes of one request; the next one is under way while these are read. */
const REQUEST_BYTES = 4 * 1024 * 1024

/** `s3://bucket/` and what follows. */
const ADDRESS = /^(s3[an]?:\/\/[^/]+)\/?(.*)$/s

export function isObjectPath(path: string): boolean {
  return ADDRESS.test(path)
}

/** Objects of a bucket. Their identity is their tag and size; every request asks for exactly that version. */
export class ObjectPlace implements FilePlace {
  readonly canGrow = false
  /** A listing costs a request for each thousand objects. */
  readonly discoveryMs = 10_000
  readonly #root: string
  readonly #pattern: string
  readonly #open: () => Promise<FileStore>
  #store: Promise<FileStore> | undefined

  constructor(path: string, openStore: OpenStore, s3: S3Options | undefined) {
    const [, root = '', pattern = ''] = ADDRESS.exec(path) ?? []
    this.#root = root
    this.#pattern = pattern
    this.#open = () => openStore(root, { s3 })
  }

  async find(): Promise<readonly FoundFile[]> {
    const store = await this.#opened()
    const fixed = this.#pattern.split('/').findIndex(hasMagic)
    const directory = this.#pattern.replace(/\/+$/, '')
    const parts = directory.split('/').slice(0, fixed < 0 ? undefined : fixed)
    const prefix = fixed < 0 ? directory : parts.map((part) => `${part}/`).join('')
    const found: FoundFile[] = []
    for await (const { path, size, version = '' } of store.list(prefix)) {
      const isMeant = fixed < 0 ? isBelow(path, directory) : posix.matchesGlob(path, this.#pattern)
      if (!isMeant || isHidden(path, parts)) continue
      const address = `${this.#root}/${path}`
      found.push({ name: address, path: address, object: { version, size } })
    }
    return found.sort((one, other) => (one.path < other.path ? -1 : 1))
  }

  async describe({ path, object }: FoundFile): Promise<FileSpec> {
    const identity = object ?? lostObject(path, 'it is gone')
    return { path, identity, compression: await compressionOf(await this.#file(path, identity)) }
  }

  async open({ path, identity }: FileSpec): Promise<OpenedFile> {
    const file = await this.#file(path, objectIdentity(identity))
    await file.mustBeThere()
    return file
  }

  async ranges({ path, identity }: FileSpec): Promise<ByteRanges> {
    const file = await this.#file(path, objectIdentity(identity))
    return { name: path, size: file.size, read: (start, end) => file.range(start, end) }
  }

  async #file(path: string, identity: { readonly version: string; readonly size: number }): Promise<ObjectFile> {
    return new ObjectFile(await this.#opened(), path, path.slice(this.#root.length + 1), identity)
  }

  #opened(): Promise<FileStore> {
    this.#store ??= this.#open()
    return this.#store
  }
}

class ObjectFile implements OpenedFile {
  readonly size: number
  readonly #store: FileStore
  readonly #path: string
  readonly #key: string
  readonly #version: string
  #current: Piece | undefined
  #next: Promise<Piece> | undefined

  constructor(
    store: FileStore,
    path: string,
    key: string,
    identity: { readonly version: string; readonly size: number },
  ) {
    this.#store = store
    this.#path = path
    this.#key = key
    this.#version = identity.version
    this.size = identity.size
  }

  async range(start: number, end: number): Promise<Uint8Array> {
    const bytes = await this.#store.readRange(this.#key, start, end, this.#version)
    return bytes ?? lostObject(this.#path, 'it is gone, or it was replaced after it had been listed')
  }

  async mustBeThere(): Promise<void> {
    if (this.size > 0) await this.range(0, 1)
    else if ((await this.#store.size(this.#key)) !== 0) lostObject(this.#path, 'it was empty, and is not any more')
  }

  async read(into: Buffer, start: number, end: number, position: number): Promise<number> {
    if (position >= this.size || end <= start) return 0
    const { from, bytes } = await this.#pieceAt(position)
    const part = bytes.subarray(position - from, position - from + (end - start))
    into.set(part, start)
    return part.byteLength
  }

  stream(): Readable {
    return Readable.from(this.#pieces(), { objectMode: false })
  }

  async links(): Promise<undefined> {
    return undefined
  }

  async close(): Promise<void> {
    this.#current = undefined
    this.#next?.catch(() => undefined)
    this.#next = undefined
  }

  async *#pieces(): AsyncIterable<Uint8Array> {
    for (let at = 0; at < this.size;) {
      const { bytes } = await this.#pieceAt(at)
      yield bytes
      at += bytes.byteLength
    }
  }

  /** The piece that holds a position; asks for the one after it at the same time. */
  async #pieceAt(position: number): Promise<Piece> {
    if (this.#current !== undefined && holds(this.#current, position)) return this.#current
    const ahead = await this.#next
    const piece = ahead !== undefined && holds(ahead, position) ? ahead : await this.#fetch(position)
    const end = piece.from + piece.bytes.byteLength
    this.#current = piece
    this.#next = end < this.size ? this.#fetch(end) : undefined
    // Who never comes back for it must not end the process.
    this.#next?.catch(() => undefined)
    return piece
  }

  async #fetch(from: number): Promise<Piece> {
    const bytes = await this.range(from, Math.min(from + REQUEST_BYTES, this.size))
    if (bytes.byteLength === 0) lostObject(this.#path, `it ends at byte ${from}, it had ${this.size} bytes`)
    return { from, bytes }
  }
}

interface Piece {
  readonly from: number
  readonly bytes: Uint8Array
}

function holds({ from, bytes }: Piece, position: number): boolean {
  return position >= from && position < from + bytes.byteLength
}

function lostObject(path: string, why: string): never {
  throw lost(path, why)
}

function isBelow(path: string, directory: string): boolean {
  return directory === '' || path === directory || path.startsWith(`${directory}/`)
}

/** Names that begin with `.` or `_` are unfinished work of writers, unless `path` names them. */
function isHidden(path: string, named: readonly string[]): boolean {
  return path.split('/').some((part) => /^[._]/.test(part) && !named.includes(part))
}
