import { MillraceError } from '../core/errors.ts'
import type { FileStore, OpenStore } from '../core/file-store.ts'
import type { S3Options, S3Settings } from '../core/options.ts'
import { LocalFileStore } from './local-file-store.ts'

/** Opens stores for the components of one pipeline, whose own `s3` options win over those of its top level, key by key. */
export function storeOpener(s3: S3Options | undefined): OpenStore {
  return (address, options) => openFileStore(address, { ...s3, ...options?.s3 })
}

/** True for addresses of object storage. */
export function isS3Address(address: string): boolean {
  return /^s3[an]?:\/\//.test(address)
}

async function openFileStore(address: string, settings: S3Settings): Promise<FileStore> {
  if (isS3Address(address)) {
    // Loaded when asked for: most jobs have their state on a disk.
    const { openBucket } = await import('./open-bucket.ts')
    const { S3FileStore } = await import('./s3-file-store.ts')
    const { bucket, prefix } = openBucket(address, settings)
    return new S3FileStore(bucket, prefix)
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(address)) {
    throw new MillraceError(`${address}: a store is a directory or an s3:// address`, { code: 'CONFIG' })
  }
  return LocalFileStore.open(address)
}
