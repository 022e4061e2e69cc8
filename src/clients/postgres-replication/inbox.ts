import { MillraceError } from '../../core/errors.ts'

const FIRST_BYTES = 128 * 1024
const HEADER_BYTES = 5
/** Above what the server can send as one value (1 GiB) nothing is a length. */
const MESSAGE_BYTES_MAX = 1024 * 1024 * 1024 + 1024 * 1024

/**
 * Bytes of a connection, cut into the server's messages: a type, a length of four bytes that counts itself, a body. The
 * current message lies in `bytes` from `at` to `end`, until the next call of `push` or `next`.
 */
export class Inbox {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  /** ASCII code of the current message's type. */
  type = 0
  at = 0
  end = 0
  #read = 0
  #filled = 0

  /** Bytes that were not handed out yet. */
  get waiting(): number {
    return this.#filled - this.#read
  }

  push(chunk: Uint8Array): void {
    if (this.#filled + chunk.length > this.bytes.length) this.#makeRoom(chunk.length)
    this.bytes.set(chunk, this.#filled)
    this.#filled += chunk.length
  }

  /** Makes the next whole message the current one; false when it is not there yet. */
  next(): boolean {
    const start = this.#read
    if (this.#filled - start < HEADER_BYTES) return false
    const length = this.bytes.readInt32BE(start + 1)
    if (length < 4 || length > MESSAGE_BYTES_MAX) throw damaged(length)
    const end = start + 1 + length
    if (end > this.#filled) return false
    this.type = this.bytes[start] ?? 0
    this.at = start + HEADER_BYTES
    this.end = end
    this.#read = end
    return true
  }

  /** The current message is read again by the next call of `next`. */
  unread(): void {
    this.#read = this.at - HEADER_BYTES
  }

  #makeRoom(count: number): void {
    const waiting = this.waiting
    const target =
      waiting + count <= this.bytes.length / 2
        ? this.bytes
        : Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, 2 * (waiting + count)))
    this.bytes.copy(target, 0, this.#read, this.#filled)
    this.bytes = target
    this.#read = 0
    this.#filled = waiting
  }
}

function damaged(length: number): MillraceError {
  return new MillraceError(`Postgres sent a message of ${length} bytes: what answers there is no Postgres server`, {
    code: 'UNAVAILABLE',
    retry: 'restart',
  })
}
