import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { randomUUID } from 'node:crypto'
import { MillraceError } from '../core/errors.ts'

/** A piece of input of more bytes is cut at a row boundary by the caller; larger results are read all the same. */
export const HAND_OVER_BYTES_MAX: number = 8 * 1024 * 1024

const SHARED_MEMORY = '/dev/shm'
/** Two for each of sixteen lanes. */
const SHARED_MEMORY_FILES = 32

/**
 * A file through which bytes pass between Node and DuckDB, of one lane and for one direction.
 *
 * On Linux it has no name: it is opened, unlinked, and DuckDB reaches it as `/proc/self/fd/N`, so a killed process
 * leaves nothing behind. Elsewhere it is a named file in a private directory that `close` removes.
 */
export class HandOverFile {
  /** The path for DuckDB. */
  readonly path: string
  /** Whoever counts on the contents. Who writes something else takes its place. */
  holder: object | undefined
  readonly #descriptor: number
  readonly #directory: string | undefined
  #isClosed = false

  private constructor(descriptor: number, filePath: string, directory: string | undefined) {
    this.#descriptor = descriptor
    this.path = filePath
    this.#directory = directory
  }

  /** Opens an empty file in `directory`; see `handOverDirectory`. */
  static open(directory: string): HandOverFile {
    if (process.platform !== 'linux') {
      const own = fs.mkdtempSync(path.join(directory, 'millrace-'))
      const file = path.join(own, 'rows')
      return new HandOverFile(fs.openSync(file, 'wx+', 0o600), file, own)
    }
    const file = path.join(directory, `millrace-${randomUUID()}`)
    const descriptor = fs.openSync(file, 'wx+', 0o600)
    fs.unlinkSync(file)
    return new HandOverFile(descriptor, `/proc/self/fd/${descriptor}`, undefined)
  }

  /** Replaces the contents by the first `length` bytes of `bytes`. */
  write(bytes: Uint8Array, length: number): void {
    for (let at = 0; at < length;) at += fs.writeSync(this.#descriptor, bytes, at, length - at, at)
    fs.ftruncateSync(this.#descriptor, length)
  }

  /** Replaces the contents by the parts, one behind the other. */
  writeParts(parts: readonly Uint8Array[]): void {
    this.holder = undefined
    let at = 0
    for (const part of parts) {
      this.put(part, at)
      at += part.length
    }
    fs.ftruncateSync(this.#descriptor, at)
  }

  /** Writes into the contents, from the byte `at` on. */
  put(bytes: Uint8Array, at: number): void {
    for (let from = 0; from < bytes.length;) {
      from += fs.writeSync(this.#descriptor, bytes, from, bytes.length - from, at + from)
    }
  }

  clear(): void {
    fs.ftruncateSync(this.#descriptor, 0)
  }

  /** Reads the contents into `target`, or into a larger new buffer when they do not fit. */
  read(target: Buffer | undefined): { buffer: Buffer; length: number } {
    const length = fs.fstatSync(this.#descriptor).size
    const buffer = target !== undefined && target.length >= length ? target : Buffer.allocUnsafeSlow(roomFor(length))
    for (let at = 0; at < length;) {
      const count = fs.readSync(this.#descriptor, buffer, at, length - at, at)
      if (count === 0) throw new MillraceError('reading a hand-over file: it became shorter', { code: 'INTERNAL' })
      at += count
    }
    return { buffer, length }
  }

  /** Gives the memory of an unusually large content back. */
  shrink(): void {
    if (fs.fstatSync(this.#descriptor).size > HAND_OVER_BYTES_MAX) fs.ftruncateSync(this.#descriptor, 0)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    fs.closeSync(this.#descriptor)
    if (this.#directory !== undefined) fs.rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Buffers grow in steps of a quarter, so that a recycled one soon fits every result. */
function roomFor(length: number): number {
  return Math.max(64 * 1024, Math.ceil((length * 1.25) / 4096) * 4096)
}

/**
 * Where hand-over files live: shared memory when it has room for the files of sixteen lanes, else the ordinary temporary
 * directory, which costs some 5 % of speed. Containers have only 64 MB of shared memory, and their files count as memory.
 */
export function handOverDirectory(sharedMemory: string = SHARED_MEMORY): string {
  try {
    if (process.platform === 'linux') {
      const { bavail, bsize } = fs.statfsSync(sharedMemory)
      fs.accessSync(sharedMemory, fs.constants.W_OK)
      if (bavail * bsize >= SHARED_MEMORY_FILES * HAND_OVER_BYTES_MAX) return sharedMemory
    }
  } catch {
    // No shared memory here: the temporary directory does as well.
  }
  return os.tmpdir()
}
