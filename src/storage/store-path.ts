import { assert } from '../core/assert.ts'
import { MillraceError } from '../core/errors.ts'

/**
 * Refuses a path that could leave the store's root or mean different files to different stores: empty, absolute, with
 * `.`, `..` or an empty part, or with a NUL.
 */
export function checkStorePath(path: string): void {
  if (path === '') throw refused(path, 'it is empty')
  if (path.includes('\0')) throw refused(path, 'it contains a NUL character')
  for (const part of path.split('/')) {
    if (part === '') throw refused(path, 'it starts or ends with a slash or contains two in a row')
    if (part === '.' || part === '..') throw refused(path, `it contains the part ${JSON.stringify(part)}`)
  }
}

/** Like `checkStorePath`, for the prefix of a listing: it may be empty or end in a slash. */
export function checkStorePrefix(prefix: string): void {
  const path = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
  if (prefix !== '') checkStorePath(path)
}

/** Refuses what is no range of bytes: a caller that asks for one has computed it wrong. */
export function checkRange(path: string, start: number, end: number): void {
  const isRange = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start
  assert(isRange, `bytes ${start} to ${end} of ${path} are no range`)
}

export function refused(path: string, why: string): MillraceError {
  return new MillraceError(`the store refuses the path ${JSON.stringify(path)}: ${why}`, {
    code: 'STORE_IO',
    retry: 'halt',
  })
}
