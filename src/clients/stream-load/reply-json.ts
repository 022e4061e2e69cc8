/** A JSON object of a server, with lower-case keys: producers of one cluster disagree on `Status` and `status`. */
export class ReplyObject {
  readonly #fields: ReadonlyMap<string, unknown>

  private constructor(fields: ReadonlyMap<string, unknown>) {
    this.#fields = fields
  }

  /** Undefined unless the text is one whole JSON object. Integers are read exactly. */
  static parse(text: string): ReplyObject | undefined {
    const value = parseExact(text)
    return isObject(value) ? ReplyObject.of(value) : undefined
  }

  static of(value: object): ReplyObject {
    return new ReplyObject(new Map(Object.entries(value).map(([key, field]) => [key.toLowerCase(), field])))
  }

  text(key: string): string | undefined {
    const value = this.#fields.get(key.toLowerCase())
    return typeof value === 'string' ? value : undefined
  }

  /** An integer field; -1 is how a server says "no transaction". */
  integer(key: string): bigint | undefined {
    const value = this.#fields.get(key.toLowerCase())
    return typeof value === 'bigint' ? value : undefined
  }

  /** A row or byte counter: a non-negative integer that a number holds exactly. */
  count(key: string): number | undefined {
    const value = this.integer(key)
    return value === undefined || value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value)
  }

  value(key: string): unknown {
    return this.#fields.get(key.toLowerCase())
  }
}

/** JSON with every integer as a bigint; undefined when the text is not JSON. */
export function parseExact(text: string): unknown {
  try {
    return JSON.parse(text, (_key: string, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' && context?.source !== undefined && /^-?\d+$/.test(context.source)
        ? BigInt(context.source)
        : value,
    )
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
