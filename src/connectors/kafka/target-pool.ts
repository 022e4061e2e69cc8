import { RecordTarget, ValueTarget } from '../../clients/kafka/index.ts'

const ROWS_MAX = 40_000
const OVERHEAD = 64 * 1024

export interface TargetOptions {
  /** Of the values of a batch: what one fetch brings of a partition, uncompressed. */
  readonly bytes: number
  readonly separator: number
  readonly isJson: boolean
  readonly withKeys: boolean
  readonly withHeaders: boolean
  /** Any metadata at all: offsets and timestamps come in columns beside the values. */
  readonly withMetadata: boolean
  /** Tombstones are wanted. */
  readonly keepsNulls: boolean
}

/** Recycles the buffers that values are gathered into: a fresh one costs more than filling it. */
export class TargetPool {
  readonly #options: TargetOptions
  readonly #bytes: number
  readonly #free: ValueTarget[] = []

  constructor(options: TargetOptions) {
    this.#options = options
    this.#bytes = options.bytes + OVERHEAD
  }

  take(): ValueTarget {
    return this.#free.pop() ?? this.make(this.#bytes)
  }

  /** A target of its own for a value that is larger than the usual buffer. */
  make(bytes: number): ValueTarget {
    const { separator, isJson, withKeys, withHeaders, withMetadata, keepsNulls } = this.#options
    const buffer = Buffer.allocUnsafeSlow(bytes)
    const basics = { buffer, rowsMax: ROWS_MAX, separator, isJson }
    if (!withMetadata) return new ValueTarget(basics)
    return new RecordTarget({
      ...basics,
      keepsNulls,
      ...(withKeys ? { keyBytesMax: this.#bytes / 4 } : {}),
      ...(withHeaders ? { headerBytesMax: this.#bytes / 4 } : {}),
    })
  }

  give(target: ValueTarget): void {
    target.reset()
    if (target.buffer.length === this.#bytes) this.#free.push(target)
  }
}
