import { ValueTarget } from './value-target.ts'

/** Byte strings behind each other with their ends; a set bit in `nulls` marks an absent one. */
export interface BytesColumn {
  /** Replaced by a larger one when a single row does not fit. */
  bytes: Buffer
  readonly ends: Uint32Array
  readonly nulls: Uint8Array
  length: number
}

export function bytesColumn(bytes: number, rowsMax: number): BytesColumn {
  return {
    bytes: Buffer.allocUnsafeSlow(bytes),
    ends: new Uint32Array(rowsMax),
    nulls: new Uint8Array((rowsMax + 7) >>> 3),
    length: 0,
  }
}

export function isNullAt(column: { readonly nulls: Uint8Array }, row: number): boolean {
  return ((column.nulls[row >>> 3] ?? 0) & (1 << (row & 7))) !== 0
}

/** A `ValueTarget` with what else a record carries, each in a column of its own; columns not asked for stay undefined. */
export class RecordTarget extends ValueTarget {
  /** One per row. */
  readonly offsets: BigInt64Array
  /** Milliseconds since 1970, one per row. */
  readonly timestamps: BigInt64Array
  readonly keys: BytesColumn | undefined
  /** Headers as they stand on the wire; `parseHeaders` decodes those of one row. */
  readonly headers: BytesColumn | undefined
  /** Set when null and empty values (tombstones) are wanted: they become empty rows, and null ones are marked here. */
  readonly nulls: Uint8Array | undefined

  constructor(options: {
    readonly buffer: Buffer
    readonly rowsMax: number
    readonly separator: number
    readonly isJson: boolean
    /** Size of the column for keys; without it they are passed over. */
    readonly keyBytesMax?: number
    /** Size of the column for headers; without it they are passed over. */
    readonly headerBytesMax?: number
    /** Takes null and empty values instead of reporting them as poison. */
    readonly keepsNulls?: boolean
  }) {
    super(options)
    const { rowsMax, keyBytesMax, headerBytesMax } = options
    this.offsets = new BigInt64Array(rowsMax)
    this.timestamps = new BigInt64Array(rowsMax)
    this.keys = keyBytesMax === undefined ? undefined : bytesColumn(keyBytesMax, rowsMax)
    this.headers = headerBytesMax === undefined ? undefined : bytesColumn(headerBytesMax, rowsMax)
    this.nulls = options.keepsNulls === true ? new Uint8Array((rowsMax + 7) >>> 3) : undefined
  }

  override truncate(rows: number): void {
    super.truncate(rows)
    if (this.nulls !== undefined) clearFrom(this.nulls, rows)
    for (const column of [this.keys, this.headers]) {
      if (column === undefined) continue
      column.length = rows === 0 ? 0 : (column.ends[rows - 1] ?? 0)
      clearFrom(column.nulls, rows)
    }
  }
}

function clearFrom(bits: Uint8Array, row: number): void {
  const partial = row >>> 3
  bits[partial] = (bits[partial] ?? 0) & ((1 << (row & 7)) - 1)
  bits.fill(0, partial + 1)
}
