import { MillraceError, type Retry } from '../core/errors.ts'

/** What the usual codes of the operating system mean to somebody who looks after the machine. */
const PLAIN: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free space or give the directory a larger disk',
  EDQUOT: 'the disk quota is used up; raise it or free space',
  EIO: 'the disk reports an input/output error; check its health and the kernel log',
  EROFS: 'the file system is mounted read-only; mount it writable (the kernel does this itself after disk errors)',
  EACCES: 'permission denied; give the user of this process read and write access',
  EPERM: 'the file system does not permit it; hard links must be supported and allowed there',
  EMFILE: 'too many open files; raise the limit (ulimit -n)',
  ENFILE: 'the machine has too many open files; raise the limit',
  ENAMETOOLONG: 'the file name is too long for this file system',
  ELOOP: 'it is a symbolic link, which a store does not follow',
  ENOTDIR: 'a part of the path is a file, not a directory',
  EISDIR: 'it is a directory, not a file',
  EXDEV: 'temporary files and final files lie on different file systems; use one file system for the whole directory',
  ENOENT: 'the directory or file was removed by somebody else',
}

/** Codes after which the very same call may succeed later, when an operator has made room. */
const PASSING: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EINTR', 'EAGAIN'])

/** The error code of a failed system call, or an empty text. */
export function systemCode(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : ''
}

/** A failed system call as `STORE_IO` in plain words. `doing` is a phrase such as `writing .hoodie/x.commit`. */
export function diskError(doing: string, thrown: unknown, retry?: Retry): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const code = systemCode(thrown)
  const came = thrown instanceof Error ? thrown.message : String(thrown)
  const plain = PLAIN[code]
  return new MillraceError(`${doing}: ${plain === undefined ? came : `${plain} (${code})`}`, {
    code: 'STORE_IO',
    retry: retry ?? (PASSING.has(code) ? 'retry' : 'halt'),
    cause: thrown,
    detail: { systemCode: code },
  })
}
