import { RecordTarget, ValueTarget } from '../../clients/kafka/index.ts'

/** What one fetch brings of a partition, uncompressed: larger batches make larger row groups, and cost less in SQL. */
const BUFFER_BYTES = 4 * 1024 * 1024 + 64 * 1024
const ROWS_MAX = 40_000

export interface TargetOptions {
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
  readonly #free: ValueTarget[] = []

  constructor(options: TargetOptions) {
    this.#options = options
  }

  take(): ValueTarget {
    return this.#free.pop() ?? this.make(BUFFER_BYTES)
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
      ...(withKeys ? { keyBytesMax: BUFFER_BYTES / 4 } : {}),
      ...(withHeaders ? { headerBytesMax: BUFFER_BYTES / 4 } : {}),
    })
  }

  give(target: ValueTarget): void {
    target.reset()
    if (target.buffer.length === BUFFER_BYTES) this.#free.push(target)
  }
}
