import { isUtf8 } from 'node:buffer'
import type { Batch, BytesBody, RecordMetadata, UnreadRecord } from '../../core/batch.ts'
import type { RowError } from '../../dataplane/index.ts'
import { poison } from './cut-lines.ts'

/** What dead letters want of the records: bad ones, and the bytes of all. */
export interface LettersOfRecords {
  readonly takesBroken: boolean
  readonly keepsRaw: boolean
}

/** The records of one batch on their way to rows. */
export class CsvRecords {
  readonly path: string
  readonly #batch: Batch
  readonly #body: BytesBody
  readonly #takesBroken: boolean
  readonly #keepsRaw: boolean
  readonly #unread: UnreadRecord[] = []
  /** The numbers of those that became rows, so far. */
  #read: number[] = []

  constructor(batch: Batch, body: BytesBody, path: string, { takesBroken, keepsRaw }: LettersOfRecords) {
    this.path = path
    this.#batch = batch
    this.#takesBroken = takesBroken
    this.#keepsRaw = keepsRaw || takesBroken
    // The buffer is used again when the batch is released, and the bytes of dead letters are asked for later.
    this.#body = this.#keepsRaw ? { ...body, buffer: Buffer.from(body.buffer.subarray(0, body.length)) } : body
  }

  /** `text` is missing where the bytes are none. A record is a row until somebody finds fault with it. */
  *[Symbol.iterator](): Generator<{ readonly text: string | undefined; readonly offset: bigint }> {
    const { buffer, length } = this.#body
    const isText = isUtf8(buffer.subarray(0, length))
    for (let row = 0; row < this.#batch.rows; row++) {
      const [start, end] = this.#range(row)
      this.#read.push(row)
      const isGood = isText || isUtf8(buffer.subarray(start, end))
      yield { text: isGood ? buffer.toString('utf8', start, end) : undefined, offset: this.#offsetOf(row) }
    }
  }

  /** The record that the iterator gave last becomes no row. */
  fault(reason: string): void {
    this.#giveUp(this.#read.pop() ?? 0, reason, '')
  }

  /** Rows that could not be decoded, by their numbers among those that are left. */
  takeOut(errors: readonly RowError[]): void {
    for (const { row, column, reason } of errors) this.#giveUp(this.#read[row] ?? 0, reason, column)
    const gone = new Set(errors.map(({ row }) => row))
    this.#read = this.#read.filter((_, row) => !gone.has(row))
  }

  /** What the batch of the rows has of that of the records. */
  get place(): Omit<Batch, 'body' | 'release'> {
    const { body: _body, release: _release, ...place } = this.#batch
    const read = this.#read
    if (!this.#keepsRaw) return place
    const rawOf = (row: number): Uint8Array => this.#rawOf(read[row] ?? 0)
    return { ...place, rows: read.length, rawOf, ...(this.#unread.length > 0 && { unread: this.#unread }) }
  }

  /** What is known of the rows. */
  get metadata(): RecordMetadata {
    return { offset: BigInt64Array.from(this.#read, (record) => this.#offsetOf(record)) }
  }

  #giveUp(record: number, reason: string, column: string): void {
    const offset = this.#offsetOf(record)
    if (!this.#takesBroken) {
      const of = column === '' ? '' : `column ${column}: `
      throw poison({ path: this.path, offset: 0 }, Number(offset), `${of}${reason}`)
    }
    const { row } = this.#batch.from
    const position = { ...(typeof row === 'number' && { row: row + record }), offset: String(offset) }
    this.#unread.push({ position, reason, column, raw: this.#rawOf(record) })
  }

  #rawOf(record: number): Uint8Array {
    const [start, end] = this.#range(record)
    return this.#body.buffer.subarray(start, end)
  }

  #offsetOf(record: number): bigint {
    return this.#body.metadata?.offset?.[record] ?? 0n
  }

  /** The separator stands behind the record. */
  #range(record: number): readonly [start: number, end: number] {
    const { ends, length } = this.#body
    return [record === 0 ? 0 : (ends?.[record - 1] ?? 0) + 1, ends?.[record] ?? length]
  }
}
