import { assert } from '../core/assert.ts'
import { scanString, scanValue, skipSpace } from './json-values.ts'

/** A place in a template where a value stands; what follows it belongs to the next step. */
export interface TemplateStep {
  /** The bytes in front of the value: a brace or comma, the key, the colon and all white space. */
  readonly literal: Buffer
  /** Index of the column, or -1 for a key that no column asks for. */
  readonly column: number
}

/** What rows of one topic have in common: the same keys in the same order, written in the same way. */
export interface JsonTemplate {
  readonly steps: readonly TemplateStep[]
  /** The bytes behind the last value, the newline among them. */
  readonly end: Buffer
}

const OPEN = 0x7b
const CLOSE = 0x7d

/**
 * The template of the row between `start` and its newline, of which the scanner of rows has said that it is good.
 * Undefined when it has no value.
 */
export function templateOf(
  bytes: Buffer,
  start: number,
  columns: ReadonlyMap<string, number>,
): JsonTemplate | undefined {
  const steps: TemplateStep[] = []
  let literal = start
  let at = skipSpace(bytes, start)
  assert(bytes[at] === OPEN, 'a good row is an object')
  at = skipSpace(bytes, at + 1)
  if (bytes[at] === CLOSE) return undefined
  for (;;) {
    const key = at
    at = scanString(bytes, at)
    const name = JSON.parse(bytes.toString('utf8', key, at)) as string
    at = skipSpace(bytes, skipSpace(bytes, at) + 1)
    steps.push({ literal: Buffer.from(bytes.subarray(literal, at)), column: columns.get(name) ?? -1 })
    at = scanValue(bytes, at)
    assert(at > 0, 'a good row has good values')
    literal = at
    at = skipSpace(bytes, at)
    if (bytes[at] === CLOSE) break
    at = skipSpace(bytes, at + 1)
  }
  return { steps, end: Buffer.from(bytes.subarray(literal, bytes.indexOf(0x0a, at) + 1)) }
}
