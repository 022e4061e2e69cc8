import type { JsonObject } from './json.ts'
import type { S3Settings } from './options.ts'

/**
 * Where files live that outlast the process: table files, staged batches, checkpoint blobs. One port serves the local
 * disk and object storage; no connector knows which. Paths are relative to the store's root, with `/`, never starting
 * with `/` and never containing `..`; implementations refuse anything else.
 *
 * Every method that changes something returns only when the change is durable (file and directory synced on a local
 * disk). All errors are `MillraceError`: `STORE_IO` with `retry` telling whether the same call may be repeated.
 */
export interface FileStore {
  /** Absolute address of the root, for messages: a directory, or `s3://bucket/prefix`. */
  readonly root: string

  /** The whole file, or `undefined` when there is none. For small files: manifests, timeline entries, properties. */
  read(path: string): Promise<Uint8Array | undefined>

  /**
   * Bytes from `start` up to `end` (not included), for large files. Shorter where the file ends before, and empty when it
   * ends before `start`; `undefined` when there is no file, or none of that `version` where the store has versions.
   */
  readRange(path: string, start: number, end: number, version?: string): Promise<Uint8Array | undefined>

  /**
   * Creates the file with these bytes if there is none (hard link on disk, conditional PUT on object storage).
   * `exists` means that somebody's file is there: read it to learn whose. Readers never see a part of it.
   */
  create(path: string, bytes: Uint8Array): Promise<'created' | 'exists'>

  /** Writes the file whole, replacing what is there. Readers see the old or the new content, never a mixture. */
  replace(path: string, bytes: Uint8Array): Promise<void>

  /** Removes the file. Removing what is not there is not an error. */
  remove(path: string): Promise<void>

  /** Size in bytes, or `undefined` when there is no such file. */
  size(path: string): Promise<number | undefined>

  /** All files whose path begins with `prefix` (a directory ends in `/`), at any depth, in no particular order. */
  list(prefix: string): AsyncIterable<FileEntry>

  /**
   * A large file, written piece by piece. Nothing of it is visible under its path before `finish`; whatever is under
   * the path then is an error unless it has the very same size (a repeated finish).
   */
  openWriter(path: string): Promise<FileWriter>

  /** Where a file cannot be given its name later, as a disk does by renaming: this does the same. */
  readonly staging?: Staging
}

/** Files that are complete and durable long before anybody sees them, and then appear under their path by a decision. */
export interface Staging {
  openWriter(path: string): Promise<StagedWriter>
  /** What has become of a staged file. `taken`: somebody else's file is there; `gone`: neither is there. */
  look(file: StagedFile): Promise<'placed' | 'waiting' | 'taken' | 'gone'>
  /** Makes it visible if nothing stands under its path. Repeating it is `placed`. */
  place(file: StagedFile): Promise<'placed' | 'taken' | 'gone'>
  /** Throws it away, unless it was placed. */
  drop(file: StagedFile): Promise<void>
  /** What waits below a prefix, whoever staged it, finished or not. */
  list(prefix: string): AsyncIterable<{ readonly path: string; drop(): Promise<void> }>
  /** How long a file may wait before somebody else removes it, in milliseconds; `undefined` where nobody says so. */
  lifeMs(): Promise<number | undefined>
}

/** Plain data: another process can place or drop it. */
export type StagedFile = { readonly path: string; readonly size: number; readonly token: JsonObject }

export interface StagedWriter {
  readonly bytes: number
  write(chunk: Uint8Array): Promise<void>
  /** Makes it durable; it waits to be placed. */
  finish(): Promise<StagedFile>
  /** Throws away what was written, also after `finish`. */
  discard(): Promise<void>
}

export interface FileEntry {
  readonly path: string
  readonly size: number
  /** In listings of stores that can tell: another text whenever the content is another. */
  readonly version?: string
}

export interface FileWriter {
  /** Bytes written so far. */
  readonly bytes: number
  /** Appends. Resolves when the caller may reuse the buffer. */
  write(chunk: Uint8Array): Promise<void>
  /** Makes the file durable and visible under its path. */
  finish(): Promise<FileEntry>
  /** Throws away what was written. Safe to call at any time, also twice and after `finish` (then it does nothing). */
  abort(): Promise<void>
}

/** What a component says about its stores beside the address. */
export interface OpenStoreOptions {
  /** Its own `s3` option; what is missing there is taken from the top level of the pipeline file. */
  readonly s3?: S3Settings | undefined
}

/** Opens the store of an absolute directory (made if it is missing) or of an `s3://bucket/prefix` address. */
export type OpenStore = (address: string, options?: OpenStoreOptions) => Promise<FileStore>
