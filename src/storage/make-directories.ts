import { dirname } from 'node:path'
import type { Disk } from './disk.ts'
import { diskError, systemCode } from './disk-error.ts'

/**
 * Makes a directory and those above it that are missing. The names are synced from the top, also of a directory that is
 * there already: whoever made it may have died before the sync, or may be a lane that makes it right now.
 */
export async function makeDirectories(disk: Disk, path: string): Promise<void> {
  const above = dirname(path)
  try {
    const isNew = await makeDirectory(disk, path, above)
    await disk.syncDirectory(above).catch((thrown: unknown) => {
      // What is above an existing directory need not be ours to open.
      if (isNew || systemCode(thrown) !== 'EACCES') throw thrown
    })
  } catch (thrown) {
    throw diskError(`making the directory ${path}`, thrown)
  }
}

/** False when it was there already. */
async function makeDirectory(disk: Disk, path: string, above: string): Promise<boolean> {
  try {
    await disk.makeDirectory(path)
    return true
  } catch (thrown) {
    if (systemCode(thrown) === 'EEXIST') return false
    if (systemCode(thrown) !== 'ENOENT' || above === path) throw thrown
  }
  await makeDirectories(disk, above)
  await disk.makeDirectory(path).catch((thrown: unknown) => {
    if (systemCode(thrown) !== 'EEXIST') throw thrown
  })
  return true
}
