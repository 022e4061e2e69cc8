/** Bytes of a part of a multipart upload. S3 wants at least 5 MiB, and memory holds some of them for every open file. */
const PART_BYTES = 8 * 1024 * 1024
const FIRST_BYTES = 64 * 1024
/** Buffers of whole parts that wait for their next use, in each thread. */
const SPARE_MAX = 4
const spare: Buffer[] = []

/** Gathers bytes until there are enough for a part. Small files never have the memory of a whole one. */
export class PartBuffer {
  #buffer: Buffer = Buffer.alloc(0)
  #filled = 0
  #hasSent = false

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#filled)
  }

  get isFull(): boolean {
    return this.#filled === PART_BYTES
  }

  /** Copies what there is room for and returns how much that was. */
  append(chunk: Uint8Array): number {
    const taken = Math.min(chunk.byteLength, PART_BYTES - this.#filled)
    this.#makeRoom(this.#filled + taken)
    this.#buffer.set(chunk.subarray(0, taken), this.#filled)
    this.#filled += taken
    return taken
  }

  /** Hands the gathered bytes over, to be released once they are sent. */
  take(): { readonly bytes: Uint8Array; release(): void } {
    const buffer = this.#buffer
    const bytes = this.bytes
    this.#buffer = Buffer.alloc(0)
    this.#filled = 0
    this.#hasSent = true
    return { bytes, release: () => recycle(buffer) }
  }

  release(): void {
    recycle(this.#buffer)
    this.#buffer = Buffer.alloc(0)
    this.#filled = 0
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.byteLength) return
    const grown = Math.min(PART_BYTES, Math.max(FIRST_BYTES, 2 ** Math.ceil(Math.log2(bytes))))
    // A file that has sent a part is large: it will fill the next one too.
    const buffer =
      this.#hasSent || grown === PART_BYTES ? (spare.pop() ?? Buffer.allocUnsafeSlow(PART_BYTES)) : undefined
    const next = buffer ?? Buffer.allocUnsafeSlow(grown)
    next.set(this.bytes)
    recycle(this.#buffer)
    this.#buffer = next
  }
}

function recycle(buffer: Buffer): void {
  if (buffer.byteLength === PART_BYTES && spare.length < SPARE_MAX) spare.push(buffer)
}
