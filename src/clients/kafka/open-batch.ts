/** A record batch that was checked and decompressed, and how far its records were read. The gather loops advance it. */
export interface OpenBatch {
  /** Decompressed records. */
  readonly payload: Buffer
  /** Start of the next record in `payload`. */
  at: number
  readonly limit: number
  /** Records not read yet. */
  left: number
  readonly baseOffset: bigint
  /** Offset after the last record read, less `baseOffset`. */
  nextDelta: number
  /** Records with a smaller delta lie before the wanted offset and are passed over. */
  readonly fromDelta: number
  /** Records from this delta on are not wanted. */
  readonly untilDelta: number
  /** The largest delta that a record of this batch may have. */
  readonly lastDelta: number
  /** Offset after the whole batch; larger than the last record's when compaction removed records at the end. */
  readonly nextOffset: bigint
  readonly isLogAppendTime: boolean
  readonly baseTimestamp: bigint
  readonly maxTimestamp: bigint
}

/** Why a gather loop stopped: batch read, `until` reached, target full, or at a record that cannot be gathered. */
export type Stop = 'end' | 'until' | 'full' | 'null value' | 'empty value' | 'line break'
