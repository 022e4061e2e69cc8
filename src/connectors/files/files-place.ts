import type { JsonObject } from '../../core/json.ts'
import type { FilesCommittable } from './staging.ts'

/** Where files are staged and placed: a directory of this machine, or object storage. */
export interface FilesPlace {
  /** For messages and the fingerprint: an absolute directory or an address. */
  readonly root: string
  /** Before the names of files; tells whose they are where staged ones are not in a directory of their own. */
  readonly namePrefix: string
  /** A file that is written now and placed later. */
  stage(name: string): Promise<StagedWriter>
  look(committable: FilesCommittable): Promise<FileState>
  /** Gives a staged file its name. Only after `look` said that it waits. */
  place(committable: FilesCommittable): Promise<void>
  /** Throws a staged file away. */
  drop(committable: FilesCommittable): Promise<void>
  /** What this sink has staged, by name. */
  staged(): Promise<readonly Leftover[]>
  /** Names that readers see. */
  placed(): Promise<readonly string[]>
  /** Makes a name durable that somebody else has given: it may have died just then. */
  settle(): Promise<void>
}

export interface Leftover {
  readonly name: string
  drop(): Promise<void>
}

export interface StagedWriter {
  readonly bytes: number
  write(chunk: Uint8Array): Promise<void>
  /** Makes it durable. What comes back goes into the committable. */
  finish(): Promise<StagedPlace>
  discard(): Promise<void>
}

/** Where a staged file waits. */
export type StagedPlace = { readonly staged: string; readonly token?: JsonObject }

export type FileState =
  | { readonly state: 'committed' }
  | { readonly state: 'committable' }
  | { readonly state: 'unknown'; readonly reason: string }
