import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import { makeDurableDirectory } from './make-durable-directory.ts'

/**
 * The folder that a pipeline keeps its state in: `<storage>/<name>`, mode 0700. Refused when another user owns it, when
 * others may write to it, or when it is a symbolic link: whoever controls it controls where a job goes on.
 */
export function openStateDirectory(storage: string, job: string): string {
  const directory = stateDirectoryOf(storage, job)
  try {
    makeDurableDirectory(nodeFs, directory)
  } catch (cause) {
    throw new MillraceError(`creating the state directory ${directory}: ${(cause as Error).message}`, {
      code: 'STORE_IO',
      cause,
    })
  }
  const found = nodeFs.lstatSync(directory)
  if (found.isSymbolicLink() || !found.isDirectory()) throw refused(directory, 'is not a directory')
  const user = process.getuid?.()
  if (user !== undefined && found.uid !== user) throw refused(directory, 'belongs to another user')
  if ((found.mode & 0o022) !== 0) throw refused(directory, 'may be written by other users (chmod 700 it)')
  if ((found.mode & 0o077) !== 0) nodeFs.chmodSync(directory, 0o700)
  return directory
}

/** Where the state of a pipeline is, without touching it. */
export function stateDirectoryOf(storage: string, job: string): string {
  return join(storage, job)
}

function refused(directory: string, why: string): MillraceError {
  return new MillraceError(`the state directory ${directory} ${why}`, { code: 'STORE_IO', detail: { directory } })
}
