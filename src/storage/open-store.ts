import { MillraceError } from '../core/errors.ts'
import type { FileStore, OpenStore } from '../core/file-store.ts'
import type { S3Options, S3Settings } from '../core/options.ts'
import { LocalFileStore } from './local-file-store.ts'

/** Opens stores for the components of one pipeline, whose own `s3` options win over those of its top level, key by key. */
export function storeOpener(s3: S3Options | undefined): OpenStore {
  return (address, options) => openFileStore(address, { ...s3, ...options?.s3 })
}

function openFileStore(address: string, _s3: S3Settings): Promise<FileStore> {
  if (/^[a-z0-9]+:\/\//.test(address)) {
    return Promise.reject(
      new MillraceError(`${address}: only directories of the local disk can be used as a store`, { code: 'CONFIG' }),
    )
  }
  return LocalFileStore.open(address)
}
