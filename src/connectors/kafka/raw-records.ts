import type { UnreadRecord } from '../../core/batch.ts'
import { MillraceError } from '../../core/errors.ts'
import { BadMessage } from '../../formats/changes/index.ts'
import type { RecordTarget } from '../../clients/kafka/index.ts'
import { offsetToJson } from './split.ts'

/** Values as they were fetched, where bad ones of them are put aside: the buffers of the reader are used again at once. */
export class RawRecords {
  readonly unread: UnreadRecord[] = []
  readonly #values: Buffer
  readonly #ends: Uint32Array
  readonly #offsets: BigInt64Array
  /** The numbers of the records that became rows. */
  readonly #read: number[] = []

  constructor({ buffer, length, ends, offsets, rows }: RecordTarget) {
    this.#values = Buffer.from(buffer.subarray(0, length))
    this.#ends = ends.slice(0, rows)
    this.#offsets = offsets.slice(0, rows)
  }

  /** The record became one row. */
  read(record: number): void {
    this.#read.push(record)
  }

  /** The record became none. */
  giveUp(record: number, reason: string): void {
    const position = offsetToJson(this.#offsets[record] ?? 0n)
    this.unread.push({ position, reason, column: '', raw: this.#valueAt(record) })
  }

  /** The offsets of the rows. */
  get offsets(): BigInt64Array {
    return BigInt64Array.from(this.#read, (record) => this.#offsets[record] ?? 0n)
  }

  readonly rawOf = (row: number): Uint8Array => this.#valueAt(this.#read[row] ?? 0)

  #valueAt(record: number): Uint8Array {
    const start = record === 0 ? 0 : (this.#ends[record - 1] ?? 0) + 1
    return this.#values.subarray(start, this.#ends[record])
  }
}

/** Why a record cannot be read, if it is the record's own fault. */
export function faultOf(error: unknown): string | undefined {
  if (error instanceof BadMessage) return error.message
  if (error instanceof SyntaxError) return 'it is no JSON'
  // An id of a schema that the registry answered that it does not know.
  return error instanceof MillraceError && error.code === 'DECODE' && error.detail['status'] === 404
    ? error.message
    : undefined
}
