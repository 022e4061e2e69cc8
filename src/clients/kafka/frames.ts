import { MillraceError } from '../../core/errors.ts'

/** Gives the memory for a response of `size` bytes; what it returns may be larger. */
export type Allocate = (size: number) => Buffer

const SCRATCH_BYTES = 16 << 10

/**
 * Cuts a byte stream into Kafka's frames (int32 length, then that many bytes) and reads them to where they belong: the
 * socket asks `space()` where to put what comes next and reports with `received()`, so the body of a large response
 * goes from the kernel straight into the buffer of the one who asked for it.
 *
 *   scratch  ──length and first bytes──▶  body (allocated for this frame)  ──complete──▶  onFrame
 */
export class FrameAssembler {
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  readonly #frameBytesMax: number
  readonly #allocate: (correlationId: number, size: number) => Buffer
  readonly #onFrame: (correlationId: number, frame: Buffer) => void
  #scratchFilled = 0
  #body: Buffer | undefined
  #bodyBytes = 0
  #bodyFilled = 0
  #correlationId = 0

  constructor(options: {
    readonly frameBytesMax: number
    readonly allocate: (correlationId: number, size: number) => Buffer
    readonly onFrame: (correlationId: number, frame: Buffer) => void
  }) {
    this.#frameBytesMax = options.frameBytesMax
    this.#allocate = options.allocate
    this.#onFrame = options.onFrame
  }

  /** Where the next bytes of the stream go. Never empty. */
  space(): Buffer {
    if (this.#body !== undefined) return this.#body.subarray(this.#bodyFilled, this.#bodyBytes)
    return this.#scratch.subarray(this.#scratchFilled)
  }

  /** Says that `count` bytes were put into `space()`. */
  received(count: number): void {
    if (this.#body !== undefined) {
      this.#bodyFilled += count
      this.#finishIfComplete()
      return
    }
    this.#scratchFilled += count
    this.#consumeScratch()
  }

  /** For sockets that bring their own memory (TLS): copies a chunk in. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      const count = chunk.copy(this.space(), 0, at)
      this.received(count)
      at += count
    }
  }

  #consumeScratch(): void {
    let at = 0
    while (this.#scratchFilled - at >= 8) {
      const size = this.#scratch.readInt32BE(at)
      if (size < 4 || size > this.#frameBytesMax) {
        const message = `Kafka announced a response of ${size} bytes; at most ${this.#frameBytesMax} are accepted. Is this a Kafka port?`
        throw new MillraceError(message, { code: 'UNAVAILABLE', retry: 'retry' })
      }
      this.#correlationId = this.#scratch.readInt32BE(at + 4)
      this.#bodyBytes = size
      this.#body = this.#allocate(this.#correlationId, size)
      this.#bodyFilled = this.#scratch.copy(this.#body, 0, at + 4, Math.min(at + 4 + size, this.#scratchFilled))
      at += 4 + this.#bodyFilled
      this.#finishIfComplete()
    }
    this.#scratch.copyWithin(0, at, this.#scratchFilled)
    this.#scratchFilled -= at
  }

  #finishIfComplete(): void {
    const body = this.#body
    if (body === undefined || this.#bodyFilled < this.#bodyBytes) return
    this.#body = undefined
    this.#onFrame(this.#correlationId, body.subarray(0, this.#bodyBytes))
  }
}
