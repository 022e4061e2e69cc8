import type { BatchBuilder, RecordParts } from '../../../clients/kafka/index.ts'

export interface RouterOptions {
  readonly partitions: number
  /** Partition of the first batch of records that may go anywhere. */
  readonly first: number
  /** Takes a batch; resets the builder and keeps it for `takeBuilder` when its bytes are no longer needed. */
  readonly ship: (partition: number, builder: BatchBuilder) => void
  readonly takeBuilder: () => BatchBuilder
}

/** Gathers records into one batch for each partition; records that may go anywhere fill one batch after the other. */
export class PartitionRouter {
  readonly partitions: number
  readonly #options: RouterOptions
  readonly #open: (BatchBuilder | undefined)[]
  /** Where the batch is filled that may go anywhere, and the time of its records. */
  #turn: number
  #timeMs = 0

  constructor(options: RouterOptions) {
    this.partitions = options.partitions
    this.#options = options
    this.#open = Array.from({ length: options.partitions }, () => undefined)
    this.#turn = options.first % options.partitions
  }

  /** Values of one buffer that may go anywhere; each one starts `gap` bytes behind the end of the one before. */
  addValues(buffer: Buffer, ends: Uint32Array, count: number, gap: number, nowMs: number): void {
    let builder = this.#anywhere(nowMs)
    for (let row = 0, start = 0; row < count; row++) {
      const end = ends[row] ?? 0
      while (!builder.addValue(buffer, start, end, this.#timeMs)) {
        this.#ship(this.#turn)
        builder = this.#anywhere(nowMs)
      }
      start = end + gap
    }
  }

  /** A record for one partition; `undefined`: for any. */
  add(parts: RecordParts, partition: number | undefined): void {
    const at = partition ?? this.#turn
    if (this.#builder(at).add(parts)) return
    this.#ship(at)
    this.#builder(partition ?? this.#turn).add(parts)
  }

  /** Sends what is there, full or not. */
  flush(): void {
    for (let partition = 0; partition < this.partitions; partition++) this.#ship(partition)
  }

  #anywhere(nowMs: number): BatchBuilder {
    const builder = this.#builder(this.#turn)
    if (builder.count === 0) this.#timeMs = nowMs
    return builder
  }

  #builder(partition: number): BatchBuilder {
    return (this.#open[partition] ??= this.#options.takeBuilder())
  }

  #ship(partition: number): void {
    const builder = this.#open[partition]
    if (builder === undefined || builder.count === 0) return
    this.#open[partition] = undefined
    if (partition === this.#turn) this.#turn = (partition + 1) % this.partitions
    this.#options.ship(partition, builder)
  }
}
