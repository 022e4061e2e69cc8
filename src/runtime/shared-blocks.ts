import { MillraceError } from '../core/errors.ts'

const BLOCK_BYTES = 2 * 1024 * 1024 + 64 * 1024

/** A piece of shared memory on its way to another lane. */
export interface SharedBlock {
  readonly block: number
  readonly memory: SharedArrayBuffer
}

/**
 * The memory of one edge between two lanes: a few blocks that go over with rows in them and come back as credits, so
 * that a slow reader slows its writer. Blocks grow to the largest piece and are used again.
 */
export class SharedBlocks {
  readonly #count: number
  readonly #memory: SharedArrayBuffer[] = []
  readonly #free: number[] = []
  readonly #waiting: { resolve(): void; reject(error: Error): void }[] = []

  /** @param count blocks that may be under way at a time. */
  constructor(count: number) {
    this.#count = count
  }

  /** A copy of the bytes in a block; waits for a credit when all are under way. */
  async copy(bytes: Uint8Array): Promise<SharedBlock> {
    const block = await this.#take()
    let memory = this.#memory[block]
    if (memory === undefined || memory.byteLength < bytes.length) {
      memory = new SharedArrayBuffer(Math.max(bytes.length, BLOCK_BYTES))
      this.#memory[block] = memory
    }
    new Uint8Array(memory).set(bytes)
    return { block, memory }
  }

  /** The block was read. */
  giveBack(block: number): void {
    this.#free.push(block)
    this.#waiting.shift()?.resolve()
  }

  /** Whoever waits for a credit lets go. */
  letGo(): void {
    for (const waiting of this.#waiting.splice(0)) waiting.reject(thrownAway())
  }

  async #take(): Promise<number> {
    if (this.#memory.length < this.#count) return this.#memory.push(new SharedArrayBuffer(0)) - 1
    while (this.#free.length === 0) {
      await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    }
    return this.#free.shift() ?? 0
  }
}

export function thrownAway(): MillraceError {
  return new MillraceError('the checkpoint was thrown away', { code: 'INTERRUPTED', retry: 'restart' })
}
