import { Lexer } from 'yaml'

/** What a pipeline file may cost before it is built into a document. Larger ones are mistakes or attacks. */
export const FILE_BYTES_MAX: number = 1024 * 1024
export const DEPTH_MAX = 64
export const ALIASES_MAX = 100
export const VALUES_MAX = 50_000
const TOKENS_MAX = 100_000
const ESCAPES_MAX = 10_000

/**
 * Reads the tokens only, lazily, so that hostile files are refused before the costly steps (composing nested nodes,
 * reporting every error). Returns what is wrong, or `undefined`.
 */
export function exceededLimit(text: string): string | undefined {
  let tokens = 0
  let depth = 0
  let anchors = 0
  for (const token of new Lexer().lex(text)) {
    if (++tokens > TOKENS_MAX) return `has more than ${TOKENS_MAX} tokens`
    const first = token[0]
    if (token === '[' || token === '{') depth++
    else if (token === ']' || token === '}') depth--
    else if (first === '&' || first === '*') anchors++
    else if (first === '"' && token.split('\\', ESCAPES_MAX + 1).length > ESCAPES_MAX) {
      return `has a text with more than ${ESCAPES_MAX} escapes`
    }
    if (depth > DEPTH_MAX) return `is nested deeper than ${DEPTH_MAX} levels`
    if (anchors > 2 * ALIASES_MAX) return `has more than ${ALIASES_MAX} aliases`
  }
  return undefined
}
