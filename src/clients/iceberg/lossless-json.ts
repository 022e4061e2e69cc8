import { MillraceError } from '../../core/errors.ts'

/** Any JSON value; whole numbers that a JavaScript number cannot hold are `bigint`. */
export type LosslessJson =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly LosslessJson[]
  | { readonly [key: string]: LosslessJson }
export type LosslessObject = { readonly [key: string]: LosslessJson }

/**
 * Parses JSON whose numbers may be 64-bit: snapshot ids of Iceberg are random 63-bit numbers, which `JSON.parse` rounds.
 *
 * @throws MillraceError `DECODE` when it is no JSON object.
 */
export function parseLossless(text: string, what: string): LosslessObject {
  let value: unknown
  try {
    value = JSON.parse(text, keepDigits)
  } catch (cause) {
    throw new MillraceError(`reading ${what}: it is not JSON`, { code: 'DECODE', cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MillraceError(`reading ${what}: it is not a JSON object`, { code: 'DECODE' })
  }
  return value as LosslessObject
}

/** JSON.parse hands the digits to its reviver (ECMAScript proposal "JSON.parse source text access"). */
function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const digits = context?.source
  return digits !== undefined && /^-?\d+$/.test(digits) ? BigInt(digits) : value
}

/** Reads fields of one object and says which one is not as it should be. */
export class Fields {
  readonly #object: LosslessObject
  readonly #what: string

  constructor(object: LosslessObject, what: string) {
    this.#object = object
    this.#what = what
  }

  has(name: string): boolean {
    const value = this.#object[name]
    return value !== undefined && value !== null
  }

  get(name: string): LosslessJson | undefined {
    return this.#object[name]
  }

  text(name: string): string {
    const value = this.#object[name]
    if (typeof value !== 'string') throw this.#wrong(name, 'text')
    return value
  }

  /** A whole number that is small by its nature: versions, ids of fields, milliseconds. */
  integer(name: string): number {
    const value = this.#object[name]
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.#wrong(name, 'a whole number')
    return value
  }

  integerOr(name: string, otherwise: number): number {
    return this.has(name) ? this.integer(name) : otherwise
  }

  /** A 64-bit id, as decimal text. */
  id(name: string): string {
    const value = this.#object[name]
    if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) return String(value)
    throw this.#wrong(name, 'a 64-bit number')
  }

  list(name: string): readonly LosslessJson[] {
    const value = this.#object[name]
    if (!Array.isArray(value)) throw this.#wrong(name, 'a list')
    return value as readonly LosslessJson[]
  }

  objects(name: string): readonly LosslessObject[] {
    return this.list(name).map((item) => asObject(item) ?? raise(this.#wrong(name, 'a list of objects')))
  }

  /** Entries whose values are text; others are left out. */
  texts(name: string): Readonly<Record<string, string>> {
    const value = asObject(this.#object[name])
    if (value === undefined) return {}
    return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => isText(entry[1])))
  }

  #wrong(name: string, wanted: string): MillraceError {
    return new MillraceError(`reading ${this.#what}: \`${name}\` is not ${wanted}`, { code: 'DECODE' })
  }
}

export function asObject(value: LosslessJson | undefined): LosslessObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as LosslessObject) : undefined
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function raise(error: Error): never {
  throw error
}
