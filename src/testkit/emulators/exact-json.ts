/** A JSON number too long for a double, as its text. */
export class NumberText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Numbers of up to 15 characters survive the trip through a double. */
const EXACT_CHARACTERS_MAX = 15
/** Every number follows one of these three signs; looking only there is what makes the test cheap. */
const MAYBE_LONG_NUMBER = /[:,[]\s*[-+.\deE]{16}|^\s*[-+.\deE]{16}/

/** `JSON.parse` that keeps long numbers exact, as `NumberText`. */
export function parseExact(text: string): unknown {
  if (!MAYBE_LONG_NUMBER.test(text)) return JSON.parse(text)
  return JSON.parse(text, function (_key: string, value: unknown, context?: { readonly source?: string }): unknown {
    const source = context?.source
    return typeof value === 'number' && source !== undefined && source.length > EXACT_CHARACTERS_MAX
      ? new NumberText(source)
      : value
  })
}

/** The standard proposal "JSON.parse source text access"; not in the compiler's library yet. */
const rawJson = (JSON as unknown as { rawJSON(text: string): object }).rawJSON

/** `JSON.stringify` for what `parseExact` returns; bigints become numbers. */
export function stringifyExact(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof NumberText) return rawJson(inner.text)
    return typeof inner === 'bigint' ? rawJson(inner.toString()) : inner
  })
}

/** A scalar as the text that a SQL server would cast; nested values as JSON. */
export function scalarText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof NumberText) return value.text
  if (typeof value === 'object') return stringifyExact(value)
  return String(value)
}
