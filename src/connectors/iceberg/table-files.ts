import { open, readdir, readFile, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { OpenStore, FileStore } from '../../core/file-store.ts'
import { MillraceError } from '../../core/errors.ts'
import type { S3Settings } from '../../core/options.ts'
import type { ByteRanges } from '../../dataplane/parquet-source/index.ts'

export interface TableFilesOptions {
  readonly openStore: OpenStore
  readonly s3: S3Settings | undefined
  /** Files below the first address lie below the second one. */
  readonly moved: { readonly from: string; readonly to: string } | undefined
}

type Place =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly key: string }

/** Reads files by the addresses that metadata holds: `file:`, `s3:`, `s3a:` and absolute paths. Writes nothing. */
export class TableFiles {
  readonly #options: TableFilesOptions
  readonly #buckets = new Map<string, Promise<FileStore>>()

  constructor(options: TableFilesOptions) {
    this.#options = options
  }

  /** The whole file, `undefined` when there is none. */
  async read(address: string): Promise<Uint8Array | undefined> {
    const place = this.#place(address)
    if (place.kind === 's3') return await (await this.#bucket(place.bucket)).read(place.key)
    return await unlessMissing(address, () => readFile(place.path))
  }

  async exists(address: string): Promise<boolean> {
    const place = this.#place(address)
    if (place.kind === 's3') return (await (await this.#bucket(place.bucket)).size(place.key)) !== undefined
    return (await unlessMissing(address, () => stat(place.path))) !== undefined
  }

  /** Names of the files right in a directory. */
  async list(address: string): Promise<readonly string[]> {
    const place = this.#place(address)
    if (place.kind === 'local') return (await unlessMissing(address, () => readdir(place.path))) ?? []
    const prefix = `${place.key.replace(/\/+$/, '')}/`
    const names: string[] = []
    for await (const { path } of (await this.#bucket(place.bucket)).list(prefix)) {
      const name = path.slice(prefix.length)
      if (!name.includes('/')) names.push(name)
    }
    return names
  }

  /** A data or delete file of known size. Reading throws `POSITION_LOST` when it is gone. */
  ranges(address: string, size: number): ByteRanges {
    return {
      name: address,
      size,
      read: async (start, end) => {
        const bytes = await this.#readRange(address, start, end)
        if (bytes === undefined) throw gone(address)
        return bytes
      },
    }
  }

  async #readRange(address: string, start: number, end: number): Promise<Uint8Array | undefined> {
    const place = this.#place(address)
    if (place.kind === 's3') return await (await this.#bucket(place.bucket)).readRange(place.key, start, end)
    return await unlessMissing(address, async () => {
      await using handle = await open(place.path)
      const bytes = Buffer.allocUnsafeSlow(end - start)
      let filled = 0
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return bytes.subarray(0, filled)
    })
  }

  #bucket(name: string): Promise<FileStore> {
    const { openStore, s3 } = this.#options
    const known = this.#buckets.get(name) ?? openStore(`s3://${name}`, { s3 })
    this.#buckets.set(name, known)
    return known
  }

  #place(address: string): Place {
    const { moved } = this.#options
    const isMoved = moved !== undefined && samePlace(address).startsWith(`${samePlace(moved.from)}/`)
    const there = isMoved ? `${moved.to}${samePlace(address).slice(samePlace(moved.from).length)}` : address
    return placeOf(there)
  }
}

/** `file:/a`, `file:///a` and `/a` are the same place, and so are `s3a://b/k` and `s3://b/k`. */
function samePlace(address: string): string {
  const place = placeOf(address)
  return place.kind === 'local' ? place.path : `s3://${place.bucket}/${place.key}`
}

function placeOf(address: string): Place {
  const [, bucket, key] = /^s3[an]?:\/\/([^/]+)\/(.*)$/.exec(address) ?? []
  if (bucket !== undefined && key !== undefined) return { kind: 's3', bucket, key }
  if (address.startsWith('file:')) {
    // Paths in metadata are not encoded: a name may hold a `%` of its own.
    const [, path] = /^file:(?:\/\/(?:localhost)?)?(\/.*)$/.exec(address) ?? []
    if (path !== undefined) return { kind: 'local', path }
    if (URL.canParse(address)) return { kind: 'local', path: fileURLToPath(address) }
  }
  if (isAbsolute(address)) return { kind: 'local', path: address }
  throw new MillraceError(
    `reading ${address}: only local files and s3:// are read; tables elsewhere need a copy or another connector`,
    { code: 'CONFIG' },
  )
}

/** An address below another one. */
export function below(address: string, name: string): string {
  return /^[a-z0-9]+:/.test(address) ? `${address.replace(/\/+$/, '')}/${name}` : join(address, name)
}

async function unlessMissing<T>(address: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown'
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (thrown instanceof MillraceError) throw thrown
    const isDenied = code === 'EACCES' || code === 'EPERM'
    throw new MillraceError(`reading ${address} failed with ${code}${isDenied ? '; this user may not read it' : ''}`, {
      code: isDenied ? 'AUTH' : 'UNAVAILABLE',
      retry: isDenied ? 'halt' : 'restart',
      cause: thrown,
      detail: { file: address },
    })
  }
}

/** A file that a snapshot names is not there: somebody expired the snapshot, or took the file away. */
export function gone(address: string): MillraceError {
  return new MillraceError(
    `reading ${address}: it is gone, though the table’s snapshot names it; was the snapshot expired?`,
    { code: 'POSITION_LOST', detail: { file: address } },
  )
}
