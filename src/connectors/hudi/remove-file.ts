import type { FileStore } from '../../core/file-store.ts'
import { joinPath, splitPath } from './partition.ts'

/**
 * Removes a file and, on a local disk, the checksum that Hadoop's file system keeps beside files written by Java: a
 * checksum without its file, or beside a newer file of the same name, makes Java fail.
 */
export async function removeFile(store: FileStore, path: string): Promise<void> {
  await store.remove(path)
  if (store.root.includes('://')) return
  const { partition, name } = splitPath(path)
  const checksum = joinPath(partition, `.${name}.crc`)
  if ((await store.size(checksum)) !== undefined) await store.remove(checksum)
}
