import type { LineTarget } from '../../clients/sls/index.ts'

const BUFFER_BYTES = 2 * 1024 * 1024
const ROWS_MAX = 16_384

type Target = LineTarget & { readonly buffer: Buffer }

/** Recycles the buffers that lines are written into: a fresh one costs more than filling it. */
export class LinePool {
  readonly #separator: number
  readonly #free: Target[] = []

  constructor(separator: number) {
    this.#separator = separator
  }

  take(): Target {
    return this.#free.pop() ?? this.make(BUFFER_BYTES)
  }

  /** A target of its own for a log that is larger than the usual buffer. */
  make(bytes: number): Target {
    const buffer = Buffer.allocUnsafeSlow(bytes)
    return { buffer, ends: new Uint32Array(ROWS_MAX), separator: this.#separator, rows: 0, length: 0 }
  }

  give(target: Target): void {
    target.rows = 0
    target.length = 0
    if (target.buffer.length === BUFFER_BYTES) this.#free.push(target)
  }
}
