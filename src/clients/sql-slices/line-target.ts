const BUFFER_BYTES = 1024 * 1024
const ROWS_MAX = 16_384
/** Buffers that are kept; a fresh one costs more than filling it. */
const FREE_MAX = 8

/** Lines that are written: each is followed by one separator. */
export interface LineTarget {
  readonly buffer: Buffer
  readonly ends: Uint32Array
  length: number
  rows: number
}

/** Recycles the buffers that lines are written into. */
export class LinePool {
  readonly #free: LineTarget[] = []

  /** An empty target with room for a line of so many bytes, or more. */
  take(bytesMin: number): LineTarget {
    const usual = bytesMin <= BUFFER_BYTES ? this.#free.pop() : undefined
    if (usual !== undefined) return usual
    const buffer = Buffer.allocUnsafeSlow(Math.max(BUFFER_BYTES, bytesMin))
    return { buffer, ends: new Uint32Array(ROWS_MAX), length: 0, rows: 0 }
  }

  give(target: LineTarget): void {
    target.length = 0
    target.rows = 0
    if (target.buffer.length === BUFFER_BYTES && this.#free.length < FREE_MAX) this.#free.push(target)
  }
}

/** Whether a line of at most so many bytes fits behind the others. */
export function hasRoom({ buffer, length, rows }: LineTarget, bytes: number): boolean {
  return rows < ROWS_MAX && length + bytes <= buffer.length
}
