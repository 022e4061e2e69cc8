/**
 * Recycled memory for fetch responses. A fresh buffer of megabytes costs page faults for every page; one that comes
 * back does not. Keeps at most `buffersMax` of at most twice the usual size.
 */
export class ResponseMemory {
  readonly #usualBytes: number
  readonly #buffersMax: number
  readonly #free: Buffer[] = []

  constructor(usualBytes: number, buffersMax: number) {
    this.#usualBytes = usualBytes
    this.#buffersMax = buffersMax
  }

  take(size: number): Buffer {
    const at = this.#free.findIndex((buffer) => buffer.length >= size)
    if (at !== -1) return this.#free.splice(at, 1)[0] ?? Buffer.allocUnsafeSlow(size)
    return Buffer.allocUnsafeSlow(Math.max(size, this.#usualBytes))
  }

  give(buffer: Buffer): void {
    if (this.#free.length < this.#buffersMax && buffer.length <= 2 * this.#usualBytes) this.#free.push(buffer)
  }
}
