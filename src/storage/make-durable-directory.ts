import type * as nodeFs from 'node:fs'
import { dirname } from 'node:path'

type DirectoryFs = Pick<typeof nodeFs, 'mkdirSync' | 'openSync' | 'fsyncSync' | 'closeSync'>

/**
 * Makes a directory, with those above it where they are missing, mode 0700, and syncs the names: after a power failure a
 * directory whose name was not synced is gone with everything in it, synced files included. The directory's own name is
 * synced also when it is there already, because whoever made it may have died before the sync.
 */
export function makeDurableDirectory(fs: DirectoryFs, path: string): void {
  const highest = makeAll(fs, path) ?? path
  for (let named = path; ; named = dirname(named)) {
    syncDirectory(fs, dirname(named))
    if (named === highest || dirname(named) === named) return
  }
}

/** Node says ENOENT for a recursive mkdir on a read-only file system; a plain one tells the reason. */
function makeAll(fs: DirectoryFs, path: string): string | undefined {
  try {
    return fs.mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') fs.mkdirSync(path, { mode: 0o700 })
    throw thrown
  }
}

/** Makes the names in a directory durable. */
export function syncDirectory(fs: Pick<DirectoryFs, 'openSync' | 'fsyncSync' | 'closeSync'>, path: string): void {
  const directory = fs.openSync(path, 'r')
  try {
    fs.fsyncSync(directory)
  } finally {
    fs.closeSync(directory)
  }
}
