const STEP_BYTES = 512 * 1024
const KEPT_MAX = 4

/**
 * Memory for answers, which is used again: fresh buffers of megabytes make the garbage collector walk over everything
 * again and again.
 */
export class BodyPool {
  #free: Buffer[] = []

  /** A buffer of exactly so many bytes, inside of larger memory. */
  take(bytes: number): Buffer {
    const index = this.#free.findIndex((one) => one.length >= bytes)
    const [found] = index < 0 ? [] : this.#free.splice(index, 1)
    const memory = found ?? Buffer.allocUnsafeSlow(Math.max(1, Math.ceil(bytes / STEP_BYTES)) * STEP_BYTES)
    return memory.subarray(0, bytes)
  }

  /** Takes back what `take` gave, once. Nobody may look at it any more. */
  give(body: Buffer): void {
    const memory = Buffer.from(body.buffer, 0, body.buffer.byteLength)
    if (memory.length % STEP_BYTES !== 0) return
    this.#free.push(memory)
    // The small ones go first: a larger one serves as well.
    if (this.#free.length > KEPT_MAX)
      this.#free = this.#free.toSorted((one, other) => other.length - one.length).slice(0, KEPT_MAX)
  }
}
