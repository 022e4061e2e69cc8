const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * The elements of a JSON array as they are written: a number keeps its digits, which no parser would. `undefined` for
 * anything but an array. The text is valid JSON, as values of JSON columns are.
 */
export function jsonElements(text: string): string[] | undefined {
  const body = text.trim()
  if (body.charCodeAt(0) !== OPEN_LIST || body.charCodeAt(body.length - 1) !== CLOSE_LIST) return undefined
  const end = body.length - 1
  const elements: string[] = []
  let depth = 0
  let from = 1
  for (let at = 1; at < end; at++) {
    const code = body.charCodeAt(at)
    if (code === QUOTE) at = closingQuote(body, at)
    else if (code === OPEN_LIST || code === OPEN_OBJECT) depth++
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--
    else if (code === COMMA && depth === 0) {
      elements.push(body.slice(from, at).trim())
      from = at + 1
    }
  }
  const last = body.slice(from, end).trim()
  if (last !== '') elements.push(last)
  return elements
}

function closingQuote(text: string, opening: number): number {
  let at = text.indexOf('"', opening + 1)
  while (at > 0 && isEscaped(text, at)) at = text.indexOf('"', at + 1)
  return at < 0 ? text.length : at
}

function isEscaped(text: string, quote: number): boolean {
  let slashes = 0
  while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++
  return slashes % 2 === 1
}
