import type { LineTarget } from '../../clients/postgres-replication/index.ts'

const BUFFER_BYTES = 2 * 1024 * 1024
const ROWS_MAX = 16_384

/** Recycles the buffers that rows are written into: a fresh one costs more than filling it. */
export class LinePool {
  readonly #separator: number
  readonly #free: LineTarget[] = []

  constructor(separator: number) {
    this.#separator = separator
  }

  take(): LineTarget {
    return this.#free.pop() ?? this.make(BUFFER_BYTES)
  }

  /** A target of its own for a row that is larger than the usual buffer. */
  make(bytes: number): LineTarget {
    const buffer = Buffer.allocUnsafeSlow(bytes)
    return { buffer, ends: new Uint32Array(ROWS_MAX), separator: this.#separator, rows: 0, length: 0 }
  }

  give(target: LineTarget): void {
    target.rows = 0
    target.length = 0
    if (target.buffer.length === BUFFER_BYTES) this.#free.push(target)
  }
}

/** Whether a row of this size fits behind what is there. */
export function hasRoom(target: LineTarget, bytes: number): boolean {
  return target.rows < ROWS_MAX && target.length + bytes <= target.buffer.length
}
