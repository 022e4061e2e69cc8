/**
 * A number that JavaScript's own cannot hold: its text, as it stands in JSON. Made by `decodeJson` for decimals with more
 * than 15 digits, and taken by `encodeJson`.
 */
export class JsonNumber {
  readonly text: string

  /** Throws `SyntaxError` for what is no JSON number. */
  constructor(text: string) {
    if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) throw new SyntaxError('not a JSON number')
    this.text = text
  }

  toString(): string {
    return this.text
  }

  toJSON(): unknown {
    return rawJson(this.text)
  }
}

/** What the runtime has and its type declarations do not: text that is written into JSON as it is. */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON
/** Without such a run of digits and points, or an exponent like this, every number is exact, and the quick parser will do. */
const LONG_RUN = 16
const LONG_EXPONENT = /\d[eE][+-]?\d{3}/

/** Smaller doubles have fewer digits. */
const LEAST_NORMAL = 2.2250738585072014e-308

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/** JSON text of a value; `bigint` and `JsonNumber` become numbers with all their digits. */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? rawJson(String(part)) : part))
}

/** Parses JSON. Integers beyond 2^53 become `bigint`, decimals with more than 15 digits `JsonNumber`. */
export function decodeJson(bytes: Uint8Array | string): unknown {
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
  if (isPlainJson(text)) return JSON.parse(text)
  const revive: Reviver = (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? exactNumber(value, source) : value
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown)
}

/** Whether every number in this text is exact as JavaScript's own; sometimes false where it is. */
export function isPlainJson(text: string): boolean {
  return !hasLongRun(text) && !LONG_EXPONENT.test(text)
}

/** Looks at every 16th character only: no long run fits between two of them. A regular expression takes ten times as long. */
function hasLongRun(text: string): boolean {
  for (let at = LONG_RUN - 1; at < text.length; at += LONG_RUN) {
    if (!isDigitOrPoint(text.charCodeAt(at))) continue
    let from = at
    while (at - from < LONG_RUN && isDigitOrPoint(text.charCodeAt(from - 1))) from--
    let to = at + 1
    while (to - from < LONG_RUN && isDigitOrPoint(text.charCodeAt(to))) to++
    if (to - from >= LONG_RUN) return true
  }
  return false
}

/** False for `NaN`, which is beside the text. */
function isDigitOrPoint(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e
}

function exactNumber(value: number, source: string): unknown {
  if (/^-?\d+$/.test(source)) return Number.isSafeInteger(value) ? value : BigInt(source)
  const digits = source.replace(/[eE].*$/, '').replace(/^-?0*\.?0*|\./g, '')
  const isNormal = Number.isFinite(value) && (Math.abs(value) >= LEAST_NORMAL || digits === '')
  return digits.length <= 15 && isNormal ? value : new JsonNumber(source)
}
