import { MillraceError } from './errors.ts'

/** Fails when our own code broke a promise. For what the world may do, throw a typed error instead. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MillraceError(`broken promise: ${message}`, { code: 'INTERNAL', retry: 'halt' })
}

/** Makes a forgotten case of a union a compile error. */
export function unreachable(value: never): never {
  throw new MillraceError(`broken promise: unexpected ${JSON.stringify(value)}`, { code: 'INTERNAL', retry: 'halt' })
}
