/** Cuts a byte stream into the texts between delimiters; bytes after the last delimiter wait for more. */
export class DelimiterSplitter {
  readonly #delimiter: Buffer
  readonly #text: string
  #rest: Buffer = Buffer.alloc(0)

  constructor(delimiter: string) {
    this.#delimiter = Buffer.from(delimiter)
    this.#text = delimiter
  }

  push(chunk: Buffer): readonly string[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const last = bytes.lastIndexOf(this.#delimiter)
    if (last < 0) {
      this.#rest = bytes
      return []
    }
    this.#rest = Buffer.from(bytes.subarray(last + this.#delimiter.length))
    return bytes.toString('utf8', 0, last).split(this.#text)
  }

  /** What follows the last delimiter. */
  end(): string | undefined {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest.length === 0 ? undefined : rest.toString()
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c

/**
 * Cuts a JSON document into its rows: the elements of the outer array, or the one outer object. Only brackets and
 * quotes are looked at; each row's text is parsed by the caller. A document may arrive in any number of pieces.
 */
export class JsonRowSplitter {
  readonly #isArray: boolean
  readonly #isCounting: boolean
  #rest: Buffer = Buffer.alloc(0)
  #depth = 0
  #isInString = false
  #isEscaped = false
  #isInRow = false
  #hasBegun = false
  #hasEnded = false
  #complaint: string | undefined
  /** Rows seen so far. */
  rows = 0

  constructor(options: { readonly stripOuterArray: boolean; readonly isCounting: boolean }) {
    this.#isArray = options.stripOuterArray
    this.#isCounting = options.isCounting
  }

  push(chunk: Buffer, onRow: (text: string) => void): void {
    if (chunk.length === 0) return
    const carried = this.#rest.length
    const bytes = carried === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const rowDepth = this.#isArray ? 1 : 0
    const length = bytes.length
    // Fields are copied into locals: this loop sees every byte of a load.
    let depth = this.#depth
    let isInString = this.#isInString
    let rowStart = this.#isInRow ? 0 : -1
    const start = carried + (this.#isEscaped ? 1 : 0)
    this.#isEscaped = false
    for (let at = start; at < length; at += 1) {
      let byte = bytes[at] ?? 0
      if (isInString) {
        while (byte !== QUOTE) {
          at += byte === BACKSLASH ? 2 : 1
          if (at >= length) break
          byte = bytes[at] ?? 0
        }
        this.#isEscaped = at > length
        isInString = at >= length
      } else if (byte === QUOTE) {
        isInString = true
        if (depth <= rowDepth) this.#complaint ??= 'The value is not a JSON object'
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (depth === rowDepth && this.#begins(byte)) rowStart = at
        else if (depth === 0) this.#open(byte)
        depth += 1
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        depth -= 1
        if (depth === rowDepth && rowStart >= 0) {
          this.rows += 1
          if (!this.#isCounting) onRow(bytes.toString('utf8', rowStart, at + 1))
          rowStart = -1
        }
        if (depth === 0) this.#hasEnded = true
      } else if (depth <= rowDepth && byte > 0x20 && !(byte === COMMA && depth === 1)) {
        this.#complaint ??= 'The value is not a JSON object'
      }
    }
    this.#depth = depth
    this.#isInString = isInString
    this.#isInRow = rowStart >= 0
    this.#rest = rowStart < 0 || this.#isCounting ? Buffer.alloc(0) : Buffer.from(bytes.subarray(rowStart))
  }

  /** The document's end: what was wrong with its outer shape, if anything. Ready for a next document afterwards. */
  end(): string | undefined {
    const isWhole = this.#hasEnded && this.#depth === 0 && !this.#isInString
    const complaint = this.#complaint ?? (isWhole || !this.#hasBegun ? undefined : 'The JSON document is not complete')
    this.#rest = Buffer.alloc(0)
    this.#depth = 0
    this.#isInString = false
    this.#isEscaped = false
    this.#isInRow = false
    this.#hasBegun = false
    this.#hasEnded = false
    this.#complaint = undefined
    return complaint
  }

  /** Whether a row begins at this bracket. */
  #begins(byte: number): boolean {
    if (!this.#isArray) this.#open(byte)
    else if (byte !== OPEN_BRACE) this.#complaint ??= 'The value is not a JSON object'
    return byte === OPEN_BRACE && this.#complaint === undefined
  }

  #open(byte: number): void {
    if (this.#hasBegun) this.#complaint ??= 'There is more than one JSON document in the request'
    else if (this.#isArray && byte !== OPEN_BRACKET) {
      this.#complaint ??= 'the value should be array type with strip_outer_array=true'
    } else if (!this.#isArray && byte !== OPEN_BRACE) {
      this.#complaint ??=
        'The value is array type in json document stream, you can set strip_outer_array=true to parse each element of the array as individual rows'
    }
    this.#hasBegun = true
  }
}

/** Counts delimiters; a last piece without one counts as well. */
export class DelimiterCounter {
  readonly #delimiter: Buffer
  #tail: Buffer = Buffer.alloc(0)
  #endsOpen = false
  rows = 0

  constructor(delimiter: string) {
    this.#delimiter = Buffer.from(delimiter)
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    const size = this.#delimiter.length
    const bytes = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk])
    const single = size === 1 ? (this.#delimiter[0] ?? 0) : this.#delimiter
    let at = 0
    for (let hit = bytes.indexOf(single); hit >= 0; hit = bytes.indexOf(single, at)) {
      this.rows += 1
      at = hit + size
    }
    this.#endsOpen = at < bytes.length
    // The start of a longer delimiter may be the end of this chunk.
    this.#tail = size === 1 ? this.#tail : Buffer.from(bytes.subarray(Math.max(at, bytes.length - size + 1)))
  }

  end(): void {
    if (this.#endsOpen) this.rows += 1
    this.#endsOpen = false
    this.#tail = Buffer.alloc(0)
  }
}
