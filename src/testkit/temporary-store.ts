import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileStore } from '../core/file-store.ts'
import { LocalFileStore, type LocalFileStoreOptions } from '../storage/local-file-store.ts'

/** A file store on this machine's disk that goes away with its directory. */
export interface TemporaryStore extends AsyncDisposable {
  readonly path: string
  readonly store: FileStore
}

export async function openTemporaryStore(options: LocalFileStoreOptions = {}): Promise<TemporaryStore> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-store-'))
  const store = await LocalFileStore.open(path, options)
  return { path, store, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
