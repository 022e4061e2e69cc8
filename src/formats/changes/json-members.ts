/** What makes a message unreadable, for whoever knows where it came from. Never holds values. */
export class BadMessage extends Error {}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const COLON = 0x3a

/**
 * Walks over the members of a JSON object in place, without making anything of them:
 *
 *     members.open(buffer, from, to)
 *     while (members.next()) members.keyFrom … members.keyTo, members.from … members.to   (values with their quotes)
 *
 * Strings are skipped as they are: whether escapes inside are right is for whoever reads the value.
 */
export class JsonMembers {
  buffer: Buffer = Buffer.alloc(0)
  keyFrom = 0
  keyTo = 0
  from = 0
  to = 0
  #at = 0
  #end = 0
  /** An object that probably comes again, byte for byte: comparing it is faster than finding its end. */
  expected: Buffer = Buffer.alloc(0)
  #ordinal = -1
  /** Objects of a feed have their members in the same order: by their place, names that were met there. */
  readonly #names: { readonly bytes: Buffer; readonly text: string }[][] = []

  /** `from` stands at the object's brace or at blanks before it. */
  open(buffer: Buffer, from: number, to: number): void {
    this.buffer = buffer
    this.#end = to
    this.#at = skipBlank(buffer, from, to)
    if (buffer[this.#at] !== OPEN_BRACE) throw new BadMessage('a JSON object was expected')
    this.#at++
    this.#ordinal = -1
  }

  /** False behind the last member; `to` is then the end of the object. */
  next(): boolean {
    const { buffer } = this
    let at = skipBlank(buffer, this.#at, this.#end)
    if (buffer[at] === CLOSE_BRACE) {
      this.to = at + 1
      return false
    }
    if (this.#ordinal >= 0) {
      if (buffer[at] !== COMMA) throw new BadMessage('a comma between two JSON members was expected')
      at = skipBlank(buffer, at + 1, this.#end)
    }
    this.#ordinal++
    if (buffer[at] !== QUOTE) throw new BadMessage('the name of a JSON member was expected')
    const keyEnd = stringEnd(buffer, at, this.#end)
    this.keyFrom = at + 1
    this.keyTo = keyEnd - 1
    at = skipBlank(buffer, keyEnd, this.#end)
    if (buffer[at] !== COLON) throw new BadMessage('a colon behind the name of a JSON member was expected')
    this.from = skipBlank(buffer, at + 1, this.#end)
    this.to = this.#isExpected() ? this.from + this.expected.length : valueEnd(buffer, this.from, this.#end)
    this.#at = this.to
    return true
  }

  #isExpected(): boolean {
    const { buffer, from, expected } = this
    if (expected.length === 0 || buffer[from] !== OPEN_BRACE || from + expected.length > this.#end) return false
    return buffer.compare(expected, 0, expected.length, from, from + expected.length) === 0
  }

  /** True when the member has this name, given as its bytes. */
  is(name: Buffer): boolean {
    const { buffer, keyFrom, keyTo } = this
    return keyTo - keyFrom === name.length && hasAt(buffer, keyFrom, name)
  }

  get key(): string {
    const { buffer, keyFrom, keyTo } = this
    const known = (this.#names[this.#ordinal] ??= [])
    for (const name of known)
      if (name.bytes.length === keyTo - keyFrom && hasAt(buffer, keyFrom, name.bytes)) return name.text
    const raw = buffer.toString('utf8', keyFrom, keyTo)
    const text = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
    if (this.#ordinal < NAMES_MAX && known.length < NAMES_EACH)
      known.push({ bytes: Buffer.from(buffer.subarray(keyFrom, keyTo)), text })
    return text
  }

  get isNull(): boolean {
    return this.buffer[this.from] === 0x6e
  }

  get isObject(): boolean {
    return this.buffer[this.from] === OPEN_BRACE
  }

  /** A string value, or the text of another one. */
  get text(): string {
    return scalarText(this.buffer, this.from, this.to)
  }
}

const NAMES_MAX = 1000
const NAMES_EACH = 4

/** Names are short: calling the native comparison would cost more. */
function hasAt(buffer: Buffer, from: number, bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at++) if (buffer[from + at] !== bytes[at]) return false
  return true
}

export function scalarText(buffer: Buffer, from: number, to: number): string {
  if (buffer[from] !== QUOTE) return buffer.toString('utf8', from, to)
  const text = buffer.toString('utf8', from + 1, to - 1)
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text
}

/** Ranges of the elements of an array, as pairs of `from` and `to`. */
export function arrayElements(buffer: Buffer, from: number, to: number): number[] {
  if (buffer[from] !== OPEN_BRACKET) throw new BadMessage('a JSON array was expected')
  const found: number[] = []
  let at = skipBlank(buffer, from + 1, to)
  if (buffer[at] === CLOSE_BRACKET) return found
  for (;;) {
    const end = valueEnd(buffer, at, to)
    found.push(at, end)
    at = skipBlank(buffer, end, to)
    if (buffer[at] === CLOSE_BRACKET) return found
    if (buffer[at] !== COMMA) throw new BadMessage('a comma between two JSON values was expected')
    at = skipBlank(buffer, at + 1, to)
  }
}

export function skipBlank(buffer: Buffer, from: number, to: number): number {
  let at = from
  for (; at < to; at++) {
    const byte = buffer[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
  }
  return at
}

/** The end of the string that begins at `from`, its quote included. */
function stringEnd(buffer: Buffer, from: number, to: number): number {
  for (let at = from + 1; at < to; at++) {
    const byte = buffer[at]
    if (byte === QUOTE) return at + 1
    if (byte === BACKSLASH) at++
  }
  throw new BadMessage('a JSON string has no end')
}

/** The end of the value that begins at `from`. */
export function valueEnd(buffer: Buffer, from: number, to: number): number {
  const first = buffer[from]
  if (first === QUOTE) return stringEnd(buffer, from, to)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return nestedEnd(buffer, from, to)
  let at = from
  for (; at < to; at++) {
    const byte = buffer[at] ?? 0
    if (byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || byte <= 0x20) break
  }
  if (at === from) throw new BadMessage('a JSON value was expected')
  return at
}

function nestedEnd(buffer: Buffer, from: number, to: number): number {
  let depth = 0
  for (let at = from; at < to; at++) {
    const byte = buffer[at]
    if (byte === QUOTE) at = stringEnd(buffer, at, to) - 1
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--
      if (depth === 0) return at + 1
    }
  }
  throw new BadMessage('a JSON object or array has no end')
}
