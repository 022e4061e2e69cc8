import { randomUUID } from 'node:crypto'
import { resolve, sep } from 'node:path'
import type { MillraceError } from '../core/errors.ts'
import type { FileEntry, FileStore, FileWriter } from '../core/file-store.ts'
import { type Disk, type DiskFile, nodeDisk } from './disk.ts'
import { diskError, systemCode } from './disk-error.ts'
import { LocalFileWriter } from './local-file-writer.ts'
import { makeDirectories } from './make-directories.ts'
import { checkRange, checkStorePath, checkStorePrefix, refused } from './store-path.ts'

export interface LocalFileStoreOptions {
  /** Directory below the root for files that are not finished; on the same file system. Default `.millrace-tmp/`. */
  readonly tempPrefix?: string
  readonly disk?: Disk
}

/**
 * Files in a directory of this machine. What is written goes to a temporary file first, is synced, and then gets its
 * name by a hard link (create) or a rename (replace); then the directory is synced. A rename instead of the link would
 * silently replace another writer's file (exactly-once: two writers would both win).
 *
 * After a failed sync nobody knows what is on the disk, and asking again may wrongly say "all well" (the kernel reports
 * an error once and drops the pages). So the store refuses every later change with the same error, `halt`.
 */
export class LocalFileStore implements FileStore {
  readonly root: string
  readonly #disk: Disk
  readonly #tempPrefix: string
  /** Directories that exist durably, relative to the root: their own name in their parent was synced by us. */
  readonly #durable = new Set<string>()
  #broken: MillraceError | undefined

  private constructor(root: string, options: LocalFileStoreOptions) {
    this.root = root
    this.#disk = options.disk ?? nodeDisk
    this.#tempPrefix = options.tempPrefix ?? '.millrace-tmp/'
  }

  /** Opens the store. Makes its directory, with those above it where they are missing, each durable. */
  static async open(directory: string, options: LocalFileStoreOptions = {}): Promise<LocalFileStore> {
    const disk = options.disk ?? nodeDisk
    const path = resolve(directory)
    await makeDirectories(disk, path)
    try {
      // Without links, so that a link met below the root can be told from the way to the root.
      const store = new LocalFileStore(await disk.realPath(path), options)
      checkStorePath(store.#tempPrefix.replace(/\/$/, ''))
      return store
    } catch (thrown) {
      throw diskError(`opening the directory ${path}`, thrown)
    }
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    this.#check(path)
    try {
      await this.#refuseEscape(path)
      return await this.#disk.readFile(this.#full(path))
    } catch (thrown) {
      if (isAbsent(thrown)) return undefined
      throw diskError(`reading ${this.#full(path)}`, thrown)
    }
  }

  async readRange(path: string, start: number, end: number): Promise<Uint8Array | undefined> {
    this.#check(path)
    checkRange(path, start, end)
    try {
      await this.#refuseEscape(path)
      return await this.#disk.readRange(this.#full(path), start, end)
    } catch (thrown) {
      if (isAbsent(thrown)) return undefined
      throw diskError(`reading ${this.#full(path)}`, thrown)
    }
  }

  async create(path: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    this.#check(path)
    const temp = await this.#writeTemp(path, bytes)
    try {
      return await this.#publish(temp, path)
    } finally {
      await this.#dropTemp(temp)
    }
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.#check(path)
    const temp = await this.#writeTemp(path, bytes)
    try {
      await this.#withParents(path, () => this.#disk.rename(temp, this.#full(path)))
    } catch (thrown) {
      await this.#dropTemp(temp)
      throw diskError(`replacing ${this.#full(path)}`, thrown)
    }
    await this.#syncDirectory(parentOf(path))
  }

  async remove(path: string): Promise<void> {
    this.#check(path)
    this.#refuseIfBroken()
    try {
      await this.#refuseEscape(path)
      await this.#disk.unlink(this.#full(path))
    } catch (thrown) {
      if (!isAbsent(thrown)) throw diskError(`removing ${this.#full(path)}`, thrown)
    }
    // Also when the file was gone already: whoever removed it may have died before the sync.
    await this.#syncDirectory(parentOf(path), 'may be absent')
    await this.#removeEmptyParents(path)
  }

  async size(path: string): Promise<number | undefined> {
    this.#check(path)
    try {
      await this.#refuseEscape(path)
      const found = await this.#disk.stat(this.#full(path))
      if (found.kind === 'other') throw refused(path, 'it is a symbolic link or no regular file')
      return found.kind === 'file' ? found.size : undefined
    } catch (thrown) {
      if (isAbsent(thrown)) return undefined
      throw diskError(`looking at ${this.#full(path)}`, thrown)
    }
  }

  async *list(prefix: string): AsyncIterable<FileEntry> {
    checkStorePrefix(prefix)
    if (prefix.startsWith(this.#tempPrefix)) return
    const pending = [prefix.slice(0, prefix.lastIndexOf('/') + 1)]
    if (prefix !== '') await this.#refuseEscape(prefix.endsWith('/') ? `${prefix}x` : prefix, 'may be absent')
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      for (const entry of await this.#readDirectory(directory)) {
        const path = directory + entry.name
        if (entry.kind === 'directory') {
          const inside = `${path}/`
          const wanted = inside.startsWith(prefix) || prefix.startsWith(inside)
          if (wanted && inside !== this.#tempPrefix) pending.push(inside)
        } else if (entry.kind === 'file' && path.startsWith(prefix)) {
          const size = await this.size(path)
          if (size !== undefined) yield { path, size }
        }
      }
    }
  }

  async openWriter(path: string): Promise<FileWriter> {
    this.#check(path)
    const temp = await this.#newTemp(path)
    return new LocalFileWriter(path, temp.file, {
      failed: (doing, thrown) => diskError(`${doing} ${this.#full(path)}`, thrown),
      sync: () => this.#syncFile(path, temp.file),
      publish: () => this.#publish(temp.path, path),
      sizeThere: () => this.size(path),
      drop: () => this.#dropTemp(temp.path),
    })
  }

  /**
   * Removes temporary files that a killed process left. Only for the one who owns the directory (after claiming it):
   * a writer that is still alive would lose its unfinished file, and fail.
   */
  async removeTemps(): Promise<number> {
    this.#refuseIfBroken()
    let removed = 0
    for (const entry of await this.#readDirectory(this.#tempPrefix)) {
      await this.#dropTemp(this.#full(this.#tempPrefix + entry.name))
      removed++
    }
    return removed
  }

  #check(path: string): void {
    checkStorePath(path)
    if (path.startsWith(this.#tempPrefix)) throw refused(path, 'it lies among the temporary files')
  }

  #full(path: string): string {
    return this.root + sep + path
  }

  /** Refuses when a directory on the way is a symbolic link that leads out of the root. */
  async #refuseEscape(path: string, absent?: 'may be absent'): Promise<void> {
    let real: string
    try {
      real = await this.#disk.realPath(this.#full(parentOf(path)))
    } catch (thrown) {
      if (absent !== undefined && isAbsent(thrown)) return
      throw thrown
    }
    if (real !== this.root && !real.startsWith(this.root + sep)) {
      throw refused(path, `a symbolic link leads out of ${this.root}`)
    }
  }

  async #readDirectory(directory: string): ReturnType<Disk['readDirectory']> {
    try {
      return await this.#disk.readDirectory(this.#full(directory))
    } catch (thrown) {
      if (isAbsent(thrown)) return []
      throw diskError(`listing ${this.#full(directory)}`, thrown)
    }
  }

  async #newTemp(path: string): Promise<{ readonly path: string; readonly file: DiskFile }> {
    this.#refuseIfBroken()
    const name = `${this.#tempPrefix}${randomUUID()}`
    try {
      const full = this.#full(name)
      return { path: full, file: await this.#withParents(name, () => this.#disk.createFile(full)) }
    } catch (thrown) {
      throw diskError(`making a temporary file for ${this.#full(path)}`, thrown)
    }
  }

  async #writeTemp(path: string, bytes: Uint8Array): Promise<string> {
    const temp = await this.#newTemp(path)
    try {
      await temp.file.write(bytes)
      await this.#syncFile(path, temp.file)
      await temp.file.close()
      return temp.path
    } catch (thrown) {
      await temp.file.close().catch(() => undefined)
      await this.#dropTemp(temp.path)
      throw diskError(`writing ${this.#full(path)}`, thrown)
    }
  }

  /** Gives a synced temporary file its name. On `exists` the other one's name is made durable too: we act on it. */
  async #publish(temp: string, path: string): Promise<'created' | 'exists'> {
    this.#refuseIfBroken()
    let result: 'created' | 'exists' = 'created'
    try {
      await this.#withParents(path, () => this.#disk.link(temp, this.#full(path)))
    } catch (thrown) {
      if (systemCode(thrown) !== 'EEXIST') throw diskError(`creating ${this.#full(path)}`, thrown)
      result = 'exists'
    }
    await this.#syncDirectory(parentOf(path))
    return result
  }

  /** Makes the directories above a file, each durable in its parent. */
  async #makeParents(path: string): Promise<void> {
    const parent = parentOf(path)
    if (parent !== '' && !this.#durable.has(parent)) {
      await this.#makeParents(parent)
      await this.#disk.makeDirectory(this.#full(parent)).catch((thrown: unknown) => {
        if (systemCode(thrown) !== 'EEXIST') throw thrown
      })
      await this.#syncDirectory(parentOf(parent))
      this.#durable.add(parent)
    }
    await this.#refuseEscape(path)
  }

  /**
   * Does something with a name in a directory that may be missing. Whoever removes the last file of a directory removes
   * the directory too, perhaps between our making it and our using it: then every level is looked at again.
   */
  async #withParents<T>(path: string, action: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#makeParents(path)
        return await action()
      } catch (thrown) {
        if (!isAbsent(thrown) || attempt === 4) throw thrown
        this.#durable.clear()
      }
    }
  }

  /** As on object storage, a directory is there only while it holds files: markers would leave thousands of them. */
  async #removeEmptyParents(path: string): Promise<void> {
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) {
      try {
        await this.#disk.removeDirectory(this.#full(parent))
      } catch {
        return
      }
      this.#durable.delete(parent)
    }
  }

  async #syncFile(path: string, file: DiskFile): Promise<void> {
    try {
      await file.sync()
    } catch (thrown) {
      throw this.#breakWith(diskError(`syncing ${this.#full(path)}`, thrown, 'halt'))
    }
  }

  async #syncDirectory(directory: string, absent?: 'may be absent'): Promise<void> {
    try {
      await this.#disk.syncDirectory(this.#full(directory))
    } catch (thrown) {
      if (absent !== undefined && isAbsent(thrown)) return
      throw this.#breakWith(diskError(`syncing the directory ${this.#full(directory)}`, thrown, 'halt'))
    }
  }

  #breakWith(error: MillraceError): MillraceError {
    this.#broken ??= error
    return error
  }

  #refuseIfBroken(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  /** A temporary file that stays is litter, not an error: nobody reads it, and `removeTemps` finds it. */
  async #dropTemp(temp: string): Promise<void> {
    await this.#disk.unlink(temp).catch(() => undefined)
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function isAbsent(thrown: unknown): boolean {
  const code = systemCode(thrown)
  return code === 'ENOENT' || code === 'ENOTDIR'
}
