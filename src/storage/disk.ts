import { constants } from 'node:fs'
import { link, lstat, mkdir, open, readdir, realpath, rename, rmdir, unlink } from 'node:fs/promises'

/**
 * The file-system calls that a local store makes, one method each, so that a test can record them, stop between any two
 * of them or let one fail. Errors are those of Node, with `code` (`ENOENT`, `EEXIST`, `ENOSPC`, …).
 */
export interface Disk {
  /** Makes one directory; fails with `EEXIST` or `ENOENT` like mkdir(2). */
  makeDirectory(path: string): Promise<void>
  /** Removes an empty directory; fails with `ENOTEMPTY` when it is not. */
  removeDirectory(path: string): Promise<void>
  /** Opens a new file for writing; fails if the name is taken, also by a symbolic link. */
  createFile(path: string): Promise<DiskFile>
  /** The whole file. Fails with `ELOOP` if the last part of the path is a symbolic link. */
  readFile(path: string): Promise<Uint8Array>
  /** Bytes from `start` up to `end`, fewer where the file ends. Fails like `readFile`. */
  readRange(path: string, start: number, end: number): Promise<Uint8Array>
  /** Gives the file a second name; fails with `EEXIST` if it is taken. */
  link(from: string, to: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Makes names that were added to or removed from the directory durable. */
  syncDirectory(path: string): Promise<void>
  readDirectory(path: string): Promise<readonly DiskName[]>
  /** What the path names, without following a symbolic link. */
  stat(path: string): Promise<{ readonly kind: DiskKind; readonly size: number }>
  /** The path with every symbolic link resolved. */
  realPath(path: string): Promise<string>
}

export type DiskKind = 'file' | 'directory' | 'other'

export interface DiskName {
  readonly name: string
  readonly kind: DiskKind
}

export interface DiskFile {
  /** Appends all the bytes. */
  write(bytes: Uint8Array): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/** The real disk. */
export const nodeDisk: Disk = {
  makeDirectory: (path) => mkdir(path),
  removeDirectory: rmdir,
  createFile,
  readFile: readWhole,
  readRange,
  link,
  rename,
  unlink,
  syncDirectory,
  readDirectory: async (path) => (await readdir(path, { withFileTypes: true })).map(nameOf),
  stat: async (path) => {
    const found = await lstat(path)
    return { kind: kindOf(found), size: found.size }
  },
  realPath: (path) => realpath(path),
}

async function createFile(path: string): Promise<DiskFile> {
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW)
  return {
    write: async (bytes) => {
      // A write may be cut short, for example by a full disk; the next call then gets the error.
      for (let at = 0; at < bytes.byteLength;) at += (await handle.write(bytes, at)).bytesWritten
    },
    sync: () => handle.sync(),
    close: () => handle.close(),
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  return await handle.readFile()
}

async function readRange(path: string, start: number, end: number): Promise<Uint8Array> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  // Of what was asked for, no more is allotted than the file has.
  const wanted = Math.max(0, Math.min(end, (await handle.stat()).size) - start)
  const bytes = Buffer.allocUnsafeSlow(wanted)
  let filled = 0
  while (filled < wanted) {
    const { bytesRead } = await handle.read(bytes, filled, wanted - filled, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  await handle.sync()
}

interface Kinds {
  isFile(): boolean
  isDirectory(): boolean
}

function kindOf(entry: Kinds): DiskKind {
  if (entry.isFile()) return 'file'
  return entry.isDirectory() ? 'directory' : 'other'
}

function nameOf(entry: Kinds & { readonly name: string }): DiskName {
  return { name: entry.name, kind: kindOf(entry) }
}
