import type { Batch } from '../core/batch.ts'
import { MillraceError } from '../core/errors.ts'
import type { Json } from '../core/json.ts'

/** So many places are named in an error. */
const RECORDS_MAX = 100

/** Why one record of a batch cannot be carried. `column` is empty when the whole record is at fault. */
export interface RecordFault {
  /** Number of the record in its batch, from 0. */
  readonly row: number
  readonly column: string
  readonly reason: string
  /** The record could be decoded; the step fails on its values. */
  readonly isOfStep?: boolean
  /** Where it stands in the bytes that were decoded, if that is known without counting. */
  readonly bytes?: { readonly buffer: Buffer; readonly from: number; readonly to: number }
}

/** Rows of a piece that cannot be carried, and where they stand in it. Nothing of the piece was handed on. */
export class RowsAtFault extends Error {
  readonly faults: readonly RecordFault[]

  constructor(faults: readonly RecordFault[]) {
    super(`${faults.length} rows are at fault`)
    this.faults = faults
  }
}

/** The number that a row had before rows were taken out, in their order. */
export function rowBefore(row: number, gone: readonly number[]): number {
  let before = row
  for (const taken of gone) {
    if (taken > before) break
    before += 1
  }
  return before
}

/**
 * The POISON error of records of a batch: where they are and why, never what they hold. Of rows that came from several
 * lanes nobody knows the place any more: then the error names none, and the engine looks for the record.
 */
export function poisonError(step: string, batch: Batch, faults: readonly RecordFault[]): MillraceError {
  const [first] = faults
  if (batch.split === '') return withoutPlace(step, faults)
  const at = placeOf(batch, first?.row ?? 0)
  const column = first?.column ? `, column ${first.column}` : ''
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more of this batch)` : ''
  return new MillraceError(`step ${step}: record at ${placeText(at)}${column}: ${first?.reason ?? 'unknown'}${more}`, {
    code: 'POISON',
    retry: 'halt',
    detail: {
      step,
      ...at,
      column: first?.column ?? '',
      reason: first?.reason ?? '',
      records: faults
        .slice(0, RECORDS_MAX)
        .map(({ row, column, reason }) => ({ ...placeOf(batch, row), column, reason })),
    },
  })
}

function withoutPlace(step: string, faults: readonly RecordFault[]): MillraceError {
  const { column = '', reason = 'unknown' } = faults[0] ?? {}
  const of = column === '' ? 'a record' : `column ${column} of a record`
  return new MillraceError(`step ${step}: ${of}: ${reason}`, {
    code: 'POISON',
    retry: 'halt',
    detail: { step, column, reason },
  })
}

/**
 * Where a record stands, as exactly as the batch can tell. Sources that count records in `row` or `offset` are followed
 * from the batch's position; a source that counts bytes is followed through the body; what a source filled into the
 * metadata is always exact. `byte` is where the record begins in the body, for who knows it.
 */
export function placeOf(batch: Batch, row: number, byte?: number): { readonly [key: string]: Json } {
  const { split, from, next, body } = batch
  const place: { [key: string]: Json } = { split, recordInBatch: row, from, next }
  const metadata = body.kind === 'bytes' || body.kind === 'table' ? body.metadata : undefined
  const file = metadata?.file?.[row]
  if (file !== undefined) place['file'] = file
  const record = rowOf(batch, row)
  if (record !== undefined) place['row'] = record
  const offset = metadata?.offset?.[row] ?? offsetOf(batch, row, byte)
  if (offset !== undefined) place['offset'] = String(offset)
  return place
}

function placeText(place: { readonly [key: string]: Json }): string {
  const { split, file, offset, row, recordInBatch, from } = place
  // Splits of files are called like them.
  const where = file === undefined || String(file).endsWith(String(split)) ? `${split}` : `${split} (${file})`
  if (offset !== undefined) return `${where}, offset ${offset}${row === undefined ? '' : ` (record ${row} from 0)`}`
  if (row !== undefined) return `${where}, record ${row}`
  return `${where}, number ${recordInBatch} after ${JSON.stringify(from)}`
}

/** Filtered batches have fewer rows than their positions span; then nobody can tell. */
function rowOf({ from, next, rows }: Batch, row: number): number | undefined {
  const start = from['row']
  const end = next['row']
  return typeof start === 'number' && typeof end === 'number' && end - start === rows ? start + row : undefined
}

function offsetOf({ from, next, body, rows }: Batch, row: number, byte: number | undefined): bigint | undefined {
  const start = wholeNumber(from['offset'])
  const end = wholeNumber(next['offset'])
  if (start === undefined || end === undefined) return undefined
  // Offsets that count records, without a gap inside of this batch.
  if (end - start === BigInt(rows)) return start + BigInt(row)
  if (body.kind !== 'bytes') return undefined
  // Offsets that count bytes, with every byte in the body (its last separator may have been added).
  const added = BigInt(body.length) - (end - start)
  return added === 0n || added === 1n ? start + BigInt(byte ?? recordStart(body, row)) : undefined
}

const lastStart = new WeakMap<object, { readonly at: number; readonly start: number }>()

function recordStart(body: Batch['body'] & { kind: 'bytes' }, row: number): number {
  if (body.ends !== undefined) return row === 0 ? 0 : (body.ends[row - 1] ?? 0) + 1
  // Places are asked for in the order of the records: each search goes on where the last one ended.
  let { at, start } = lastStart.get(body) ?? { at: 0, start: 0 }
  if (at > row) [at, start] = [0, 0]
  for (; at < row; at++) start = body.buffer.indexOf(body.separator, start) + 1
  lastStart.set(body, { at, start })
  return start
}

function wholeNumber(value: Json | undefined): bigint | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  return typeof value === 'string' && /^\d{1,19}$/.test(value) ? BigInt(value) : undefined
}
