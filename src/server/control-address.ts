import { existsSync, lstatSync, mkdtempSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

/*
 * Where the control socket of a pipeline is: `control.sock` in its state directory. The address of a Unix socket has to
 * fit into `sun_path` (108 bytes with the final zero on Linux, 104 elsewhere), so where the directory's name is too long
 * `control.sock` is a symbolic link to a socket in a directory of its own (mode 0700) under the system's temporary one.
 */
const ADDRESS_BYTES_MAX = process.platform === 'linux' ? 107 : 103
const NAME = 'control.sock'
const PREFIX = 'millrace-control-'

export interface ControlAddress {
  /** Where to listen at first. Nobody looks there, so a socket that is not ready is never found. */
  readonly bind: string
  /** Puts the socket in the place where clients look. Whatever another process left there is replaced. */
  publish(): void
  /** Takes our socket away, and leaves that of a successor alone. */
  remove(): void
}

/** An address for a process that starts to listen for the pipeline with this state directory. */
export function newControlAddress(directory: string): ControlAddress {
  const place = join(directory, NAME)
  const own = join(directory, `${NAME}.${process.pid}`)
  if (Buffer.byteLength(own) <= ADDRESS_BYTES_MAX) {
    let inode: number | undefined
    return {
      bind: own,
      publish: () => {
        inode = lstatSync(own).ino
        removeShort(place)
        renameSync(own, place)
      },
      remove: () => {
        if (inode !== undefined && existsSync(place) && lstatSync(place).ino === inode) rmSync(place, { force: true })
      },
    }
  }
  const short = join(mkdtempSync(join(tmpdir(), PREFIX)), 's')
  return {
    bind: short,
    publish: () => {
      removeShort(place)
      rmSync(own, { force: true })
      symlinkSync(short, own)
      renameSync(own, place)
    },
    remove: () => {
      if (linkTarget(place) === short) rmSync(place, { force: true })
      rmSync(dirname(short), { recursive: true, force: true })
    },
  }
}

/** Where a client connects; `undefined` when nobody has listened or the place is not ours. */
export function findControlAddress(directory: string): string | undefined {
  const place = join(directory, NAME)
  if (lstatSync(place, { throwIfNoEntry: false }) === undefined) return undefined
  const target = linkTarget(place)
  if (target === undefined) return place
  // Temporary directories are cleaned by others, and then anybody may take the name.
  const holder = lstatSync(dirname(target), { throwIfNoEntry: false })
  if (holder === undefined || !holder.isDirectory()) return undefined
  if (process.getuid !== undefined && holder.uid !== process.getuid()) return undefined
  return target
}

/** The short directory that a killed process left behind. */
function removeShort(place: string): void {
  const target = linkTarget(place)
  if (target === undefined || !basename(dirname(target)).startsWith(PREFIX)) return
  rmSync(dirname(target), { recursive: true, force: true })
}

function linkTarget(place: string): string | undefined {
  try {
    return readlinkSync(place)
  } catch {
    return undefined
  }
}
