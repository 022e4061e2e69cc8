import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { MillraceError } from '../../core/errors.ts'
import type { OpenedFile } from './file-place.ts'
import { diskIdentity, type Compression, type DiskIdentity, type FileSpec } from './split.ts'

/** Bytes from the start of a file that take part in its identity. */
const HEAD_BYTES = 4096

/** What `path` is now. */
export async function describeFile(path: string): Promise<FileSpec> {
  await using handle = await openFile(path)
  const identity = await identityOf(handle, HEAD_BYTES)
  return { path, identity, compression: compressionFrom(await readHead(handle, 4)) }
}

/**
 * Refuses a file that is not the one that `spec` describes. Growing files keep their inode and first bytes; `immutable`
 * ones also their size and time of change.
 */
export async function checkIdentity(handle: FileHandle, spec: FileSpec, immutable: boolean): Promise<void> {
  const was = diskIdentity(spec.identity)
  const is = await identityOf(handle, was.head.bytes)
  let why: string | undefined
  if (is.size < was.head.bytes) why = `it was truncated to ${is.size} bytes`
  else if (is.inode !== was.inode) why = 'another file stands under this name'
  else if (is.head.sha256 !== was.head.sha256) why = 'its first bytes are others'
  else if (immutable && is.size !== was.size) why = `it had ${was.size} bytes and has ${is.size}`
  else if (immutable && is.modified !== was.modified) why = 'it was changed after it had been listed'
  if (why !== undefined) throw lost(spec.path, why)
}

/** The error of a file that cannot be read on where we stopped. */
export function lost(
  path: string,
  why: string,
  code: 'POSITION_LOST' | 'POSITION_AHEAD' = 'POSITION_LOST',
): MillraceError {
  return new MillraceError(`reading on in ${path}: ${why}; bring the file back as it was, or decide where to go on`, {
    code,
    retry: 'halt',
    detail: { file: path, reason: why },
  })
}

export async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (thrown) {
    throw readError(path, thrown)
  }
}

/** A failed file call as a typed error. */
export function readError(path: string, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown'
  if (code === 'ENOENT' || code === 'ENOTDIR') return lost(path, 'it is gone')
  const denied = code === 'EACCES' || code === 'EPERM'
  return new MillraceError(
    `reading ${path} failed with ${code}${denied ? '; give this user the right to read it' : ''}`,
    {
      code: denied ? 'AUTH' : 'UNAVAILABLE',
      retry: denied ? 'halt' : 'restart',
      cause: thrown,
      detail: { file: path },
    },
  )
}

async function identityOf(handle: FileHandle, headBytes: number): Promise<DiskIdentity> {
  const stat = await handle.stat({ bigint: true })
  const head = await readHead(handle, headBytes)
  return {
    inode: String(stat.ino),
    modified: String(stat.mtimeNs),
    size: Number(stat.size),
    head: { bytes: head.length, sha256: createHash('sha256').update(head).digest('hex') },
  }
}

/** Told by content: names say anything. */
export async function compressionOf(file: OpenedFile): Promise<Compression> {
  const head = Buffer.alloc(4)
  return compressionFrom(head.subarray(0, await file.read(head, 0, 4, 0)))
}

function compressionFrom(head: Buffer): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip'
  // Zstandard frames (RFC 8878 section 3.1.1) or skippable frames (section 3.1.2).
  if (head.length === 4) {
    const magic = head.readUInt32LE(0)
    if (magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50) return 'zstd'
  }
  return 'none'
}

async function readHead(handle: FileHandle, bytes: number): Promise<Buffer> {
  const head = Buffer.alloc(bytes)
  let filled = 0
  while (filled < bytes) {
    const { bytesRead } = await handle.read(head, filled, bytes - filled, filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return head.subarray(0, filled)
}
