import { randomUUID } from 'node:crypto'
import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import { MillraceError, type Retry } from '../core/errors.ts'
import { failpoint } from '../core/failpoints.ts'
import { makeDurableDirectory, syncDirectory } from './make-durable-directory.ts'

/**
 * The checkpoint log on a local disk, one file per slot under `log/`. Blocking calls: it lives in a thread of its own
 * (log-thread.ts), so that neither DuckDB's use of the thread pool nor a busy event loop delays a checkpoint.
 *
 * Publishing is `link`, not `rename`: `rename` replaces an existing target silently, so of two writers both would
 * "win"; `link` fails with EEXIST. A failed fsync is final for the process: the kernel may have dropped the pages and
 * report success at the next try.
 */
export type LogFs = Pick<
  typeof nodeFs,
  | 'openSync'
  | 'writeSync'
  | 'fsyncSync'
  | 'closeSync'
  | 'linkSync'
  | 'unlinkSync'
  | 'readdirSync'
  | 'readFileSync'
  | 'mkdirSync'
>

const SLOT = /^\d{12}$/
const TEMPORARY = '.tmp-'

export class LocalLog {
  readonly #fs: LogFs
  readonly #directory: string
  readonly #nonce: string
  #temporaries = 0
  /** Temporary files that were there before our first entry; `undefined` before that was tried. */
  #leftovers: readonly string[] | undefined
  /** The first sync that failed: nothing is appended after it. */
  #broken: MillraceError | undefined

  /** `owner` names temporary files for people. It need not be unique: in a container every process has the same id. */
  constructor(directory: string, owner: string, fs: LogFs = nodeFs) {
    this.#fs = fs
    this.#directory = join(directory, 'log')
    this.#nonce = `${owner}-${randomUUID()}`
    this.#do('creating the checkpoint log', () => makeDurableDirectory(fs, this.#directory))
  }

  newest(): number | undefined {
    let newest = ''
    for (const name of this.#names()) if (name > newest && SLOT.test(name)) newest = name
    return newest === '' ? undefined : Number(newest)
  }

  list(from: number): number[] {
    const first = nameOf(from)
    return this.#names()
      .filter((name) => name >= first && SLOT.test(name))
      .sort()
      .map(Number)
  }

  read(seq: number): Uint8Array | undefined {
    try {
      return this.#fs.readFileSync(this.#path(seq))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw storeError(`reading checkpoint log entry ${seq}`, error)
    }
  }

  /**
   * The first entry of a process is its claim, and takes away the temporary files that were there before it. Whoever
   * made them is dead or was fenced by this entry: one that wakes up finds its slot taken, with or without its file.
   */
  append(seq: number, bytes: Uint8Array): 'appended' | 'exists' {
    if (this.#broken !== undefined) throw this.#broken
    this.#leftovers ??= this.#temporaryFiles()
    const temporary = join(this.#directory, `${TEMPORARY}${this.#nonce}-${this.#temporaries++}`)
    try {
      this.#writeDurably(temporary, bytes)
      failpoint('store.manifest.publish', 'before')
      const won = this.#link(temporary, seq)
      failpoint('store.manifest.publish', 'after')
      if (!won) return 'exists'
      this.#syncDirectory()
      for (const leftover of this.#leftovers) this.#unlinkQuietly(leftover)
      this.#leftovers = []
      return 'appended'
    } finally {
      this.#unlinkQuietly(temporary)
    }
  }

  remove(seqs: readonly number[]): void {
    for (const seq of seqs) this.#unlinkQuietly(this.#path(seq))
  }

  #writeDurably(path: string, bytes: Uint8Array): void {
    failpoint('store.manifest.write', 'before')
    // Nothing is published yet: with room on the disk the same may succeed later.
    const file = this.#do(`creating ${path}`, () => this.#fs.openSync(path, 'wx', 0o600), 'restart')
    try {
      this.#do(`writing ${path}`, () => this.#writeAll(file, bytes), 'restart')
      failpoint('store.manifest.write', 'after')
      failpoint('store.manifest.fsync', 'before')
      this.#orBreak(`syncing ${path}`, () => this.#fs.fsyncSync(file))
      failpoint('store.manifest.fsync', 'after')
    } finally {
      this.#fs.closeSync(file)
    }
  }

  #writeAll(file: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += this.#fs.writeSync(file, bytes, at)
  }

  #link(temporary: string, seq: number): boolean {
    try {
      this.#fs.linkSync(temporary, this.#path(seq))
      return true
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false
      // Whoever claimed since took our file away; its entry stands in this slot.
      if (codeOf(error) === 'ENOENT' && this.read(seq) !== undefined) return false
      throw storeError(`publishing checkpoint log entry ${seq}`, error)
    }
  }

  #syncDirectory(): void {
    failpoint('store.dirsync', 'before')
    this.#orBreak('syncing the directory of the checkpoint log', () => syncDirectory(this.#fs, this.#directory))
    failpoint('store.dirsync', 'after')
  }

  #temporaryFiles(): string[] {
    try {
      const names = this.#fs.readdirSync(this.#directory)
      return names.filter((name) => name.startsWith(TEMPORARY)).map((name) => join(this.#directory, name))
    } catch {
      return []
    }
  }

  #unlinkQuietly(path: string): void {
    try {
      this.#fs.unlinkSync(path)
    } catch {
      // What cannot be removed now is only clutter: slots are decided by `link`, temporaries are never read.
    }
  }

  #names(): readonly string[] {
    return this.#do('listing the checkpoint log', () => this.#fs.readdirSync(this.#directory))
  }

  #path(seq: number): string {
    return join(this.#directory, nameOf(seq))
  }

  #orBreak(doing: string, sync: () => void): void {
    try {
      this.#do(doing, sync)
    } catch (error) {
      this.#broken = error as MillraceError
      throw error
    }
  }

  #do<T>(doing: string, act: () => T, whenFull: Retry = 'halt'): T {
    try {
      return act()
    } catch (error) {
      throw storeError(doing, error, whenFull)
    }
  }
}

/** Names in the order of their numbers. */
function nameOf(seq: number): string {
  return String(seq).padStart(12, '0')
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

function storeError(doing: string, cause: unknown, whenFull: Retry = 'halt'): MillraceError {
  const code = codeOf(cause)
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  const message = cause instanceof Error ? cause.message : String(cause)
  return new MillraceError(`${doing}: ${message}.${isFull ? ' The disk is full: free space.' : ''}`, {
    code: 'STORE_IO',
    retry: isFull ? whenFull : 'halt',
    cause,
    detail: { errno: code ?? 'unknown' },
  })
}
