import { assert } from '../core/assert.ts'
import type { Batch, BytesBody, RecordMetadata, SplitId } from '../core/batch.ts'
import { rowBefore } from '../transforms/record-place.ts'
import { rawRecords, type LetterBox, type Posted } from './letter-box.ts'

const NEWLINE = 0x0a

/** A record that was found out to be refused: its number since the last published checkpoint, and who refuses it. */
export interface DivertedRecord {
  readonly record: number
  readonly part: string
  readonly code: string
  readonly reason: string
}

/** Records that become dead letters as soon as they are read, by source and split, in their order. */
export type Diversions = Readonly<Record<string, Readonly<Record<SplitId, readonly DivertedRecord[]>>>>

/** Rows of a batch that is a table: the others as a table of their own, and the texts of these. Takes the batch over. */
export type TakeTableRows = (
  batch: Batch,
  rows: readonly number[],
) => Promise<{ readonly rest: Batch; readonly taken: readonly string[] }>

/** Takes records that a sink is known to refuse out of what one lane reads. */
export class Diverter {
  readonly #box: LetterBox
  readonly #takeTableRows: TakeTableRows
  #diversions = new Map<string, readonly DivertedRecord[]>()
  /** Records of each of these splits since the lane was started. */
  #read = new Map<string, number>()

  constructor(box: LetterBox, takeTableRows: TakeTableRows) {
    this.#box = box
    this.#takeTableRows = takeTableRows
  }

  begin(diversions: Diversions = {}): void {
    this.#read = new Map()
    const found = Object.entries(diversions).flatMap(([source, splits]) =>
      Object.entries(splits).map(([split, records]) => [`${source}\n${split}`, records] as const),
    )
    this.#diversions = new Map(found)
  }

  /** A split that comes later does not begin where the numbers do. */
  forget(source: string, splits: readonly { readonly split: SplitId }[]): void {
    for (const { split } of splits) this.#diversions.delete(`${source}\n${split}`)
  }

  /** What goes on of a batch as it was read, maybe without a row, and the dead letters of it. */
  async take(source: string, batch: Batch): Promise<{ rest: Batch; posted: readonly Posted[] }> {
    const { unread = [] } = batch
    const posted = unread.length === 0 ? [] : [this.#box.postUnread(source, batch, unread)]
    const key = `${source}\n${batch.split}`
    const diverted = this.#diversions.get(key)
    if (diverted === undefined) return { rest: batch, posted }
    const start = this.#read.get(key) ?? 0
    this.#read.set(key, start + batch.rows)
    const here = diverted.filter(({ record }) => record >= start && record < start + batch.rows)
    if (here.length === 0) return { rest: batch, posted }
    const rows = here.map(({ record }) => record - start)
    const { rest, raw } = await this.#split(batch, rows)
    const letters = here.map(({ part, code, reason }, at) => ({ row: rows[at] ?? 0, part, code, reason, column: '' }))
    return { rest, posted: [...posted, ...this.#box.post(source, batch, letters, raw)] }
  }

  async #split(batch: Batch, rows: readonly number[]): Promise<{ rest: Batch; raw: (row: number) => Uint8Array }> {
    const { body, rawOf } = batch
    if (body.kind === 'table') {
      const { rest, taken } = await this.#takeTableRows(batch, rows)
      return { rest: rawWithout(rest, rows), raw: rawOf ?? ((row) => Buffer.from(taken[rows.indexOf(row)] ?? '')) }
    }
    assert(body.kind === 'bytes', 'readers give bytes or tables')
    assert(
      body.ends !== undefined || body.separator === NEWLINE,
      'where records end is known of a split that is traced',
    )
    const texts = new Map<number, Buffer>()
    const raw = rawRecords(body)
    for (const row of rows) texts.set(row, Buffer.from(raw(row)))
    const rest = rawWithout(withoutRecords(batch, body, rows), rows)
    return { rest, raw: rawOf ?? ((row) => texts.get(row) ?? Buffer.alloc(0)) }
  }
}

/** The bytes that rows were made of, where some rows were taken out. */
function rawWithout(rest: Batch, gone: readonly number[]): Batch {
  const { rawOf } = rest
  return rawOf === undefined ? rest : { ...rest, rawOf: (row) => rawOf(rowBefore(row, gone)) }
}

/** The other records of a batch, in a buffer of their own. The batch gives its own back. */
function withoutRecords(batch: Batch, body: BytesBody, rows: readonly number[]): Batch {
  const raw = rawRecords(body)
  const separator = Buffer.from([body.separator])
  const gone = new Set(rows)
  const kept = Array.from({ length: batch.rows }, (_, row) => row).filter((row) => !gone.has(row))
  const records = kept.map((row) => raw(row))
  const buffer = Buffer.concat(records.flatMap((record) => [record, separator]))
  const ends = new Uint32Array(records.length)
  let at = 0
  for (const [index, { length }] of records.entries()) {
    ends[index] = at + length
    at += length + 1
  }
  batch.release()
  return {
    ...batch,
    rows: kept.length,
    bytes: buffer.length,
    body: {
      kind: 'bytes',
      buffer,
      length: buffer.length,
      separator: body.separator,
      ...(body.ends && { ends }),
      ...(body.metadata && { metadata: metadataOf(body.metadata, kept) }),
    },
    release() {},
  }
}

/** What the source knows of some of the records. */
function metadataOf(metadata: RecordMetadata, rows: readonly number[]): RecordMetadata {
  const { partition, offset, timestamp, key, headers, file } = metadata
  const of = <T>(values: readonly T[], row: number): T => {
    assert(row < values.length, 'metadata has a value for every record')
    return values[row] as T
  }
  return {
    ...(partition && { partition: Int32Array.from(rows, (row) => partition[row] ?? 0) }),
    ...(offset && { offset: BigInt64Array.from(rows, (row) => offset[row] ?? 0n) }),
    ...(timestamp && { timestamp: BigInt64Array.from(rows, (row) => timestamp[row] ?? 0n) }),
    ...(key && { key: rows.map((row) => of(key, row)) }),
    ...(headers && { headers: rows.map((row) => of(headers, row)) }),
    ...(file && { file: rows.map((row) => of(file, row)) }),
  }
}
