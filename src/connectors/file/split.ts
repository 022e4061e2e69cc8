import { assert } from '../../core/assert.ts'
import type { JsonObject } from '../../core/json.ts'

export type Compression = 'none' | 'gzip' | 'zstd'

/** What tells a file from another one that later stands under the same path. */
export type FileIdentity = DiskIdentity | ObjectIdentity

/** The tag that object storage gives to each content. */
export type ObjectIdentity = { readonly version: string; readonly size: number }

export type DiskIdentity = {
  readonly inode: string
  /** Nanoseconds since the epoch, as text. Compared for files that may not change (bounded reading). */
  readonly modified: string
  readonly size: number
  /** SHA-256 of the first bytes; an append leaves them as they are. */
  readonly head: { readonly bytes: number; readonly sha256: string }
}

/** What a reader needs to open a split: one file, or a range of one. */
export type FileSpec = {
  /** Absolute. */
  readonly path: string
  readonly compression: Compression
  readonly identity: FileIdentity
}

/**
 * The next record of a split. `offset` is its first byte (in the uncompressed content), for Parquet always 0; `row` is
 * the number of records before it in the split (for Parquet: in the file).
 */
export type FilePosition = { readonly offset: number; readonly row: number }

export function fileSpec(json: JsonObject): FileSpec {
  const { path, compression, identity } = json
  assert(
    typeof path === 'string' && typeof compression === 'string' && typeof identity === 'object',
    'a file split has a path, a compression and an identity',
  )
  return json as FileSpec
}

export function diskIdentity(identity: FileIdentity): DiskIdentity {
  assert('inode' in identity, 'a file of this machine was described as one')
  return identity
}

export function objectIdentity(identity: FileIdentity): ObjectIdentity {
  assert('version' in identity, 'an object was described as one')
  return identity
}

export function filePosition(json: JsonObject): FilePosition {
  const { offset, row } = json
  assert(
    Number.isSafeInteger(offset) && Number.isSafeInteger(row),
    'a position in a file has whole numbers `offset` and `row`',
  )
  return { offset: offset as number, row: row as number }
}
