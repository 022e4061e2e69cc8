/*
 * All text for people goes through `renderText`. Colours are written as marks from a private plane, which the rendering
 * turns into escape sequences on a terminal and drops elsewhere. So text from files, servers and records can never move
 * the cursor, forge lines or ring the bell: its control characters are shown, not obeyed.
 */

const MARKS = {
  red: '\u{F0001}',
  yellow: '\u{F0002}',
  green: '\u{F0003}',
  dim: '\u{F0004}',
  bold: '\u{F0005}',
} as const
const END = '\u{F0000}'
const CODES: Readonly<Record<string, string>> = {
  [MARKS.red]: '\u001b[31m',
  [MARKS.yellow]: '\u001b[33m',
  [MARKS.green]: '\u001b[32m',
  [MARKS.dim]: '\u001b[2m',
  [MARKS.bold]: '\u001b[1m',
  [END]: '\u001b[0m',
}

export type Colour = keyof typeof MARKS

/** Text that is coloured on a terminal. */
export function paint(colour: Colour, text: string): string {
  return `${MARKS[colour]}${text}${END}`
}

/** Shows control characters, invisible marks and text-direction overrides as escapes such as `\x1b`. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/gu, (character) => {
    if (character === '\n' || character === '\t') return character
    const code = character.codePointAt(0) ?? 0
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/** One line: line breaks become visible too. For everything that comes from outside. */
export function singleLine(text: string): string {
  return visible(text.replaceAll('\r\n', '\n')).replaceAll('\n', '\\n').replaceAll('\t', ' ')
}

export function renderText(text: string, isColoured: boolean): string {
  return visible(text).replace(/[\u{F0000}-\u{F0005}]/gu, (mark) => (isColoured ? (CODES[mark] ?? '') : ''))
}

/** The first `width` characters of a line; colour marks take no room. */
export function clip(line: string, width: number): string {
  let room = width
  let kept = ''
  for (const character of singleLine(line)) {
    const isMark = character >= '\u{F0000}' && character <= '\u{F0005}'
    if (!isMark && room-- <= 0) return `${kept}${END}`
    kept += character
  }
  return kept
}
