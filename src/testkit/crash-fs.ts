import { dirname } from 'node:path'
import type { LogFs } from '../storage/local-log.ts'

/** One change, as the disk may or may not have seen it when the machine dies. */
type Change =
  | { readonly kind: 'make-directory'; readonly path: string }
  | { readonly kind: 'name'; readonly path: string; readonly file: number }
  | { readonly kind: 'unname'; readonly path: string }
  | { readonly kind: 'write'; readonly file: number; readonly bytes: Buffer }
  | { readonly kind: 'sync-file'; readonly file: number }
  | { readonly kind: 'sync-directory'; readonly path: string }

/** A directory tree in memory: names of files with their contents. */
interface Tree {
  readonly directories: Set<string>
  readonly names: Map<string, number>
  readonly contents: Map<number, Buffer>
}

/**
 * A file system in memory that records every change, so that a test can take the machine away after any of them: what
 * was not synced is there, missing or torn, in every combination that a real file system may leave behind. The root `/`
 * exists and is durable.
 */
export class CrashFs {
  readonly changes: Change[] = []
  /** Called before each call with its name; throws to let it fail. */
  before: (call: string, path: string) => void = () => undefined
  /** The calls that the checkpoint log makes. */
  readonly fs: LogFs
  readonly #tree: Tree
  /** What was there at the beginning, and is durable. */
  readonly #base: Tree
  readonly #open = new Map<number, { readonly file: number } | { readonly directory: string }>()
  #next = 1

  constructor(tree: Tree = { directories: new Set(['/']), names: new Map(), contents: new Map() }) {
    this.#tree = tree
    this.#base = copyOf(tree)
    this.#next = Math.max(0, ...tree.contents.keys()) + 1
    this.fs = this.#calls()
  }

  #calls(): LogFs {
    const calls = {
      mkdirSync: (path: string) => this.#makeDirectories(path),
      readdirSync: (path: string) => this.#list(path),
      // Contents are replaced, never changed in place.
      readFileSync: (path: string) => this.#tree.contents.get(this.#fileOf('open', path)) ?? Buffer.alloc(0),
      openSync: (path: string, flags: string) => this.#openPath(path, flags),
      writeSync: (handle: number, bytes: Uint8Array, at: number) => this.#write(handle, bytes.subarray(at)),
      fsyncSync: (handle: number) => this.#sync(handle),
      closeSync: (handle: number) => void this.#open.delete(handle),
      linkSync: (from: string, to: string) => this.#link(from, to),
      unlinkSync: (path: string) => this.#unlink(path),
    }
    return calls as unknown as LogFs
  }

  /** Every state that the disk may be in when the machine dies after `count` changes, at most `pendingMax` of them open. */
  *crashes(count: number, pendingMax: number): Generator<CrashFs> {
    for (const crash of this.waysToCrash(count, pendingMax)) yield crash()
  }

  /** The same, each made when it is called for. */
  waysToCrash(count: number, pendingMax: number): (() => CrashFs)[] {
    const happened = this.changes.slice(0, count)
    const open = pendingOf(happened).slice(-pendingMax)
    const chosen = open.reduce<ReadonlyMap<number, Fate>[]>(
      (all, at) => all.flatMap((fates) => fatesOf(happened[at]).map((fate) => new Map([...fates, [at, fate]]))),
      [new Map()],
    )
    return chosen.map((fates) => () => new CrashFs(rebuild(copyOf(this.#base), happened, fates)))
  }

  #makeDirectories(path: string): string | undefined {
    this.before('mkdir', path)
    if (this.#tree.directories.has(path)) return undefined
    const above = this.#makeDirectories(dirname(path))
    this.#do({ kind: 'make-directory', path })
    return above ?? path
  }

  #list(path: string): string[] {
    this.before('readdir', path)
    if (!this.#tree.directories.has(path)) throw failure('ENOENT', path)
    const within = path === '/' ? path : `${path}/`
    const found: string[] = []
    for (const name of this.#tree.names.keys()) {
      if (name.startsWith(within) && !name.includes('/', within.length)) found.push(name.slice(within.length))
    }
    return found
  }

  #openPath(path: string, flags: string): number {
    this.before('open', path)
    const handle = this.#next++
    if (flags === 'r') {
      if (!this.#tree.directories.has(path)) throw failure('ENOENT', path)
      this.#open.set(handle, { directory: path })
      return handle
    }
    if (this.#tree.names.has(path)) throw failure('EEXIST', path)
    this.#do({ kind: 'name', path, file: handle })
    this.#open.set(handle, { file: handle })
    return handle
  }

  #write(handle: number, bytes: Uint8Array): number {
    const file = this.#handle(handle)
    this.before('write', '')
    // A short write first, as a signal or a nearly full disk makes them.
    const isFirst = (this.#tree.contents.get(file)?.length ?? 0) === 0
    const part = Buffer.from(isFirst ? bytes.subarray(0, Math.ceil(bytes.length / 2)) : bytes)
    this.#do({ kind: 'write', file, bytes: part })
    return part.length
  }

  #sync(handle: number): void {
    const open = this.#open.get(handle)
    if (open === undefined) throw failure('EBADF', '')
    if ('directory' in open) {
      this.before('fsync-directory', open.directory)
      this.#do({ kind: 'sync-directory', path: open.directory })
    } else {
      this.before('fsync', '')
      this.#do({ kind: 'sync-file', file: open.file })
    }
  }

  #link(from: string, to: string): void {
    this.before('link', to)
    if (this.#tree.names.has(to)) throw failure('EEXIST', to)
    this.#do({ kind: 'name', path: to, file: this.#fileOf('link', from) })
  }

  #unlink(path: string): void {
    this.before('unlink', path)
    this.#fileOf('unlink', path)
    this.#do({ kind: 'unname', path })
  }

  #fileOf(call: string, path: string): number {
    const file = this.#tree.names.get(path)
    if (file === undefined) throw failure('ENOENT', `${call} ${path}`)
    return file
  }

  #handle(handle: number): number {
    const open = this.#open.get(handle)
    if (open === undefined || !('file' in open)) throw failure('EBADF', '')
    return open.file
  }

  #do(change: Change): void {
    this.changes.push(change)
    apply(this.#tree, change)
  }
}

/** Where the changes stand after which no sync of their file, or of the directory that the name is in, came. */
function pendingOf(changes: readonly Change[]): number[] {
  const [files, directories] = [new Set<number>(), new Set<string>()]
  const pending: number[] = []
  for (let at = changes.length - 1; at >= 0; at--) {
    const change = changes[at]
    if (change === undefined) break
    if (change.kind === 'sync-file') files.add(change.file)
    else if (change.kind === 'sync-directory') directories.add(change.path)
    else if (change.kind === 'write') {
      if (!files.has(change.file)) pending.push(at)
    } else if (!directories.has(dirname(change.path))) pending.push(at)
  }
  return pending.reverse()
}

/** What became of a change: of a write a part may be there, or its length without its bytes. */
type Fate = 'done' | 'gone' | 'quarter' | 'half' | 'all but a byte' | 'zeros'

function fatesOf(change: Change | undefined): readonly Fate[] {
  return change?.kind === 'write' ? ['done', 'gone', 'quarter', 'half', 'all but a byte', 'zeros'] : ['done', 'gone']
}

function leftOf(bytes: Buffer, fate: Fate): Buffer {
  if (fate === 'quarter') return bytes.subarray(0, bytes.length >> 2)
  if (fate === 'half') return bytes.subarray(0, bytes.length >> 1)
  if (fate === 'all but a byte') return bytes.subarray(0, -1)
  return fate === 'zeros' ? Buffer.alloc(bytes.length) : bytes
}

function rebuild(tree: Tree, changes: readonly Change[], fates: ReadonlyMap<number, Fate>): Tree {
  for (const [at, change] of changes.entries()) {
    const fate = fates.get(at) ?? 'done'
    if (fate === 'gone') continue
    apply(tree, change.kind === 'write' ? { ...change, bytes: leftOf(change.bytes, fate) } : change)
  }
  // What lies in a directory that is not there cannot be reached.
  for (const path of tree.directories) if (!isReachable(tree, path)) tree.directories.delete(path)
  for (const path of tree.names.keys()) if (!isReachable(tree, dirname(path))) tree.names.delete(path)
  return tree
}

function copyOf({ directories, names, contents }: Tree): Tree {
  return { directories: new Set(directories), names: new Map(names), contents: new Map(contents) }
}

function isReachable(tree: Tree, directory: string): boolean {
  return directory === '/' || (tree.directories.has(directory) && isReachable(tree, dirname(directory)))
}

function apply(tree: Tree, change: Change): void {
  if (change.kind === 'make-directory') tree.directories.add(change.path)
  if (change.kind === 'name') {
    tree.names.set(change.path, change.file)
    if (!tree.contents.has(change.file)) tree.contents.set(change.file, Buffer.alloc(0))
  }
  if (change.kind === 'unname') tree.names.delete(change.path)
  if (change.kind === 'write') {
    tree.contents.set(change.file, Buffer.concat([tree.contents.get(change.file) ?? Buffer.alloc(0), change.bytes]))
  }
}

function failure(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
