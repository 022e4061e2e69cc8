import { MillraceError } from '../../core/errors.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c

/** Where an item stands in the bytes of an answer. */
export type Item = readonly [start: number, end: number]

/**
 * The items of a list in a JSON document, as they stand there, so that no number is rounded: of the list at `path`, of the
 * document when it is a list, or else one document after the other.
 *
 * @throws MillraceError `DECODE` when the bytes are no JSON, or there is no list at the path.
 */
export function* jsonItems(bytes: Buffer, path: readonly string[]): Generator<Item> {
  const start = skipSpace(bytes, 0)
  if (path.length === 0 && bytes[start] !== 0x5b) yield* documents(bytes, start)
  else yield* itemsOf(bytes, find(bytes, start, path), path)
}

function* documents(bytes: Buffer, start: number): Generator<Item> {
  for (let at = start; at < bytes.length;) {
    const end = valueEnd(bytes, at)
    yield [at, end]
    at = skipSpace(bytes, end)
  }
}

function* itemsOf(bytes: Buffer, list: number, path: readonly string[]): Generator<Item> {
  if (bytes[list] !== 0x5b) throw broken(`there is no list at ${path.join('.') || 'the top'}`)
  let at = skipSpace(bytes, list + 1)
  if (bytes[at] === 0x5d) return
  for (;;) {
    const end = valueEnd(bytes, at)
    yield [at, end]
    at = skipSpace(bytes, end)
    if (bytes[at] === 0x5d) return
    if (bytes[at] !== COMMA) throw broken('the list is broken off')
    at = skipSpace(bytes, at + 1)
  }
}

/** The place of the value that a path leads to. */
function find(bytes: Buffer, start: number, path: readonly string[]): number {
  let at = start
  for (const name of path) {
    if (bytes[at] !== 0x7b) throw broken(`there is nothing at ${path.join('.')}`)
    at = memberOf(bytes, at, name, path)
  }
  return at
}

function memberOf(bytes: Buffer, object: number, name: string, path: readonly string[]): number {
  let at = skipSpace(bytes, object + 1)
  while (bytes[at] === QUOTE) {
    const end = valueEnd(bytes, at)
    const key: unknown = JSON.parse(bytes.toString('utf8', at, end))
    const colon = skipSpace(bytes, end)
    const value = skipSpace(bytes, colon + 1)
    if (key === name) return value
    const next = skipSpace(bytes, valueEnd(bytes, value))
    if (bytes[next] !== COMMA) break
    at = skipSpace(bytes, next + 1)
  }
  throw broken(`there is nothing at ${path.join('.')}`)
}

/** Behind a value; whether it is a right one is looked at when it is decoded. */
function valueEnd(bytes: Buffer, start: number): number {
  let depth = 0
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = stringEnd(bytes, at) - 1
      if (depth === 0) return at + 1
    } else if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) {
      depth--
      if (depth === 0) return at + 1
      if (depth < 0) return at
    } else if (depth === 0 && (byte === COMMA || isSpace(byte)) && at > start) return at
  }
  if (depth > 0) throw broken('it ends too early')
  return bytes.length
}

function stringEnd(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at++
    else if (bytes[at] === QUOTE) return at + 1
  }
  throw broken('it ends too early')
}

function skipSpace(bytes: Buffer, start: number): number {
  let at = start
  while (isSpace(bytes[at])) at++
  return at
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function broken(what: string): MillraceError {
  return new MillraceError(`the answer cannot be read: ${what}`, { code: 'DECODE' })
}
