import { MillraceError } from '../core/errors.ts'
import type { FileStore } from '../core/file-store.ts'
import { LocalFileStore } from './local-file-store.ts'

/** Opens the store of an absolute directory. */
export function openFileStore(address: string): Promise<FileStore> {
  if (/^[a-z0-9]+:\/\//.test(address)) {
    return Promise.reject(
      new MillraceError(`${address}: only directories of the local disk can be used as a store`, { code: 'CONFIG' }),
    )
  }
  return LocalFileStore.open(address)
}
