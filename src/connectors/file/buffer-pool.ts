/** Bytes of a pooled buffer: a batch of rows that are not long, and room for its last separator. */
export const POOLED_BYTES: number = 7 * 1024 * 1024 + 4096

/** Keeps buffers for the next batch: a fresh one costs several times what filling it costs. */
export class BufferPool {
  readonly #free: Buffer[] = []
  readonly #keep: number

  constructor(keep = 4) {
    this.#keep = keep
  }

  /** A buffer of at least `bytes`; what it holds is undefined. */
  take(bytes: number): Buffer {
    if (bytes > POOLED_BYTES) return Buffer.allocUnsafeSlow(bytes)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(POOLED_BYTES)
  }

  /** Gives a buffer back. Each one once. */
  give(buffer: Buffer): void {
    if (buffer.length === POOLED_BYTES && this.#free.length < this.#keep) this.#free.push(buffer)
  }
}
