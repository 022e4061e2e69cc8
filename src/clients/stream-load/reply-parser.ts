/** One final HTTP reply, whole. */
export interface HttpReply {
  readonly status: number
  /** Lower-case names; repeated fields joined by `, `. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** Whether the connection may carry another request. */
  readonly keepAlive: boolean
}

export const REPLY_LIMITS: Readonly<Record<'headBytesMax' | 'headersMax' | 'bodyBytesMax' | 'provisionalMax', number>> =
  {
    headBytesMax: 16 * 1024,
    headersMax: 100,
    bodyBytesMax: 1024 * 1024,
    provisionalMax: 8,
  }

/** The peer sent something that is not an acceptable HTTP/1.1 reply. */
export class ReplyFormatError extends Error {}

export interface ReplyEvents {
  /** A 1xx reply: the final one is still to come. */
  provisional(status: number): void
  final(reply: HttpReply): void
}

type Body =
  | { readonly kind: 'length'; missing: number }
  | { readonly kind: 'chunk-size' | 'chunk-end' | 'trailer' | 'until-close' }
  | { readonly kind: 'chunk-data'; missing: number }

interface Head {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly keepAlive: boolean
}

/**
 * Reads HTTP/1.1 replies from pieces of any size. Strict on purpose: CRLF only, no folded lines, never both a length
 * and a transfer coding, everything bounded. Bodies are never decompressed.
 *
 *   head ─► length ──────────────────────────► final
 *        ─► chunk-size ⇄ chunk-data/chunk-end ─► trailer ─► final
 *        ─► until-close ─► (peer closes) ─────► final, connection not reusable
 */
export class ReplyParser {
  readonly #events: ReplyEvents
  #line: Buffer = Buffer.alloc(0)
  #head: Head | undefined
  #body: Body | undefined
  #parts: Buffer[] = []
  #bodyBytes = 0
  #trailerBytes = 0
  #provisional = 0
  /** Whether a single byte has arrived for the reply in progress. */
  started = false

  constructor(events: ReplyEvents) {
    this.#events = events
  }

  /** @throws ReplyFormatError */
  push(bytes: Buffer): void {
    let rest: Buffer = bytes
    while (rest.length > 0) {
      this.started = true
      rest = this.#step(rest)
    }
  }

  /** The peer closed its side. True when that completed a reply, false when none was in progress. */
  close(): boolean {
    if (this.#body?.kind === 'until-close') {
      this.#finish()
      return true
    }
    if (this.started) throw new ReplyFormatError('the connection closed in the middle of the reply')
    return false
  }

  #step(bytes: Buffer): Buffer {
    const body = this.#body
    if (body === undefined) return this.#readHead(bytes)
    switch (body.kind) {
      case 'length':
      case 'chunk-data': {
        const taken = bytes.subarray(0, body.missing)
        this.#keep(taken)
        body.missing -= taken.length
        if (body.missing === 0) {
          if (body.kind === 'length') this.#finish()
          else this.#body = { kind: 'chunk-end' }
        }
        return bytes.subarray(taken.length)
      }
      case 'until-close':
        this.#keep(bytes)
        return bytes.subarray(bytes.length)
      case 'chunk-size':
      case 'chunk-end':
      case 'trailer':
        return this.#readChunkLine(bytes, body.kind)
    }
  }

  #readChunkLine(bytes: Buffer, kind: 'chunk-size' | 'chunk-end' | 'trailer'): Buffer {
    const { line, rest } = this.#takeUntil(bytes, '\r\n', 4096)
    if (line === undefined) return rest
    if (kind === 'chunk-end') {
      if (line !== '') throw new ReplyFormatError('a chunk is longer than its size')
      this.#body = { kind: 'chunk-size' }
    } else if (kind === 'trailer') {
      this.#trailerBytes += line.length + 2
      if (this.#trailerBytes > REPLY_LIMITS.headBytesMax) throw new ReplyFormatError('the trailer is too long')
      if (line === '') this.#finish()
    } else {
      const size = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/.exec(line)?.[1]
      if (size === undefined) throw new ReplyFormatError('a chunk size is malformed')
      const missing = Number.parseInt(size, 16)
      this.#body = missing === 0 ? { kind: 'trailer' } : { kind: 'chunk-data', missing }
    }
    return rest
  }

  #readHead(bytes: Buffer): Buffer {
    const { line, rest } = this.#takeUntil(bytes, '\r\n\r\n', REPLY_LIMITS.headBytesMax)
    if (line === undefined) return rest
    const head = parseHead(line)
    if (head.status < 200) {
      if (head.status === 101) throw new ReplyFormatError('the server wants to switch protocols')
      if (++this.#provisional > REPLY_LIMITS.provisionalMax) throw new ReplyFormatError('too many 1xx replies')
      this.#events.provisional(head.status)
      return rest
    }
    this.#head = head
    this.#body = bodyOf(head)
    if (this.#body.kind === 'length' && this.#body.missing === 0) this.#finish()
    return rest
  }

  /** Collects bytes up to a terminator that may be split over pieces. */
  #takeUntil(bytes: Buffer, end: string, bytesMax: number): { line: string | undefined; rest: Buffer } {
    const before = this.#line.length
    const all = before === 0 ? bytes : Buffer.concat([this.#line, bytes.subarray(0, bytesMax + end.length)])
    const at = all.indexOf(end, Math.max(0, before - end.length + 1), 'latin1')
    if (at < 0 ? all.length > bytesMax : at > bytesMax) throw new ReplyFormatError('a head or line is too long')
    if (at < 0) {
      this.#line = Buffer.from(all)
      return { line: undefined, rest: bytes.subarray(bytes.length) }
    }
    this.#line = Buffer.alloc(0)
    return { line: all.toString('latin1', 0, at), rest: bytes.subarray(at + end.length - before) }
  }

  #keep(bytes: Buffer): void {
    this.#bodyBytes += bytes.length
    if (this.#bodyBytes > REPLY_LIMITS.bodyBytesMax) {
      throw new ReplyFormatError(`the reply is longer than ${REPLY_LIMITS.bodyBytesMax} bytes`)
    }
    // The socket recycles its read buffer, and a slice would keep 64 KiB alive for a few bytes.
    this.#parts.push(Buffer.from(bytes))
  }

  #finish(): void {
    const head = this.#head
    if (head === undefined) throw new ReplyFormatError('a reply without a head')
    const keepAlive = head.keepAlive && this.#body?.kind !== 'until-close'
    const reply: HttpReply = { status: head.status, headers: head.headers, body: Buffer.concat(this.#parts), keepAlive }
    this.#head = undefined
    this.#body = undefined
    this.#parts = []
    this.#bodyBytes = 0
    this.#trailerBytes = 0
    this.#provisional = 0
    this.started = false
    this.#events.final(reply)
  }
}

function parseHead(text: string): Head {
  const lines = text.split('\r\n')
  const status = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\r\n\0]*)?$/.exec(lines[0] ?? '')
  if (status === null) throw new ReplyFormatError('the status line is malformed')
  if (lines.length - 1 > REPLY_LIMITS.headersMax) throw new ReplyFormatError('the reply has too many headers')
  const headers = new Map<string, string>()
  for (const line of lines.slice(1)) {
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*$/.exec(line)
    if (field === null) throw new ReplyFormatError('a header of the reply is malformed')
    const name = (field[1] ?? '').toLowerCase()
    const before = headers.get(name)
    headers.set(name, before === undefined ? (field[2] ?? '') : `${before}, ${field[2] ?? ''}`)
  }
  const connection = (headers.get('connection') ?? '').toLowerCase()
  const keepAlive = status[1] === '1' ? !/\bclose\b/.test(connection) : /\bkeep-alive\b/.test(connection)
  return { status: Number(status[2]), headers, keepAlive }
}

function bodyOf(head: Head): Body {
  const coding = head.headers.get('transfer-encoding')
  const length = head.headers.get('content-length')
  if (coding !== undefined && length !== undefined) throw new ReplyFormatError('both a length and a transfer coding')
  if (head.status === 204 || head.status === 304) return { kind: 'length', missing: 0 }
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked') throw new ReplyFormatError('an unknown transfer coding')
    return { kind: 'chunk-size' }
  }
  if (length === undefined) return { kind: 'until-close' }
  const values = new Set(length.split(/,[ \t]*/))
  if (values.size !== 1 || !/^\d{1,15}$/.test(length.split(',')[0] ?? '')) {
    throw new ReplyFormatError('the Content-Length is malformed')
  }
  const missing = Number.parseInt(length, 10)
  if (missing > REPLY_LIMITS.bodyBytesMax) {
    throw new ReplyFormatError(`the reply is longer than ${REPLY_LIMITS.bodyBytesMax} bytes`)
  }
  return { kind: 'length', missing }
}
