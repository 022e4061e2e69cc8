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
/** Without such a run of digits, or an exponent like it, every number is exact, and the quick parser will do. */
const LONG_NUMBER = /[\d.]{16}|\d[eE][+-]?\d{3}/

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
  if (!LONG_NUMBER.test(text)) return JSON.parse(text)
  const revive: Reviver = (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? exactNumber(value, source) : value
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown)
}

function exactNumber(value: number, source: string): unknown {
  if (/^-?\d+$/.test(source)) return Number.isSafeInteger(value) ? value : BigInt(source)
  const digits = source.replace(/[eE].*$/, '').replace(/^-?0*\.?0*|\./g, '')
  const isNormal = Number.isFinite(value) && (Math.abs(value) >= LEAST_NORMAL || digits === '')
  return digits.length <= 15 && isNormal ? value : new JsonNumber(source)
}
