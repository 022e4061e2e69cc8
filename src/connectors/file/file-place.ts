import type { Readable } from 'node:stream'
import type { ByteRanges } from '../../dataplane/parquet-source/index.ts'
import type { FileSpec } from './split.ts'

/** Where the files of a source are: on this machine, or in object storage. */
export interface FilePlace {
  /** True where a file may get longer after it was found. Objects are replaced whole or not at all. */
  readonly canGrow: boolean
  /** Between two looks for new files when following, in milliseconds. */
  readonly discoveryMs: number
  /** The files that the option `path` means, sorted by path. */
  find(): Promise<readonly FoundFile[]>
  /** What a found file is now, for the checkpoint. Throws POSITION_LOST when it is gone. */
  describe(file: FoundFile): Promise<FileSpec>
  /**
   * Opens the file that `spec` describes, and refuses another one under its name with POSITION_LOST. `immutable`: also
   * when it has only grown. One that ends before byte `from` is refused with POSITION_AHEAD.
   */
  open(spec: FileSpec, immutable: boolean, from?: number): Promise<OpenedFile>
  /** The same for readers that want parts of the file, each read for itself. */
  ranges(spec: FileSpec): Promise<ByteRanges>
}

export interface FoundFile {
  /** Of the split: relative to the pipeline's directory where possible, so that a directory may be moved whole. */
  readonly name: string
  /** Absolute path or address. */
  readonly path: string
  /** Where a listing told it. */
  readonly object?: { readonly version: string; readonly size: number }
}

/** One file that is read. Reads of a reader follow each other. */
export interface OpenedFile {
  readonly size: number
  /** Fills `into` from `start` to `end` or less with what stands at `position`; 0 at the end of the file. */
  read(into: Buffer, start: number, end: number, position: number): Promise<number>
  /** All bytes from the beginning. Destroying the stream closes the file. */
  stream(): Readable
  /** Names that the file still has; 0 when it was removed, `undefined` where that means nothing. */
  links(): Promise<number | undefined>
  close(): Promise<void>
}
