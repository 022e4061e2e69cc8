import type { ConnectorContext } from '../../core/context.ts'
import { DiskPlace } from './disk-place.ts'
import type { FilePlace } from './file-place.ts'
import { isObjectPath, ObjectPlace } from './object-place.ts'
import type { FileSourceOptions } from './options.ts'

/** Where the files of these options are. */
export function placeOf(
  { path, s3 }: FileSourceOptions,
  { baseDirectory, openStore }: Pick<ConnectorContext, 'baseDirectory' | 'openStore'>,
): FilePlace {
  return isObjectPath(path) ? new ObjectPlace(path, openStore, s3) : new DiskPlace(path, baseDirectory)
}
