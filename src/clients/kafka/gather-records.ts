import { gatherSeparated } from './line-feeds.ts'
import type { OpenBatch, Stop } from './open-batch.ts'
import type { BytesColumn, RecordTarget } from './record-target.ts'
import { readVarint, readVarlong, varintEnd } from './varint.ts'

/**
 * As `gatherBatchValues`, with the other parts of each record in columns. Slower by what is copied; still without an
 * object for each record.
 */
export function gatherBatchRecords(batch: OpenBatch, target: RecordTarget): Stop {
  return gatherSeparated(batch, target, (rowsMax, separator) => copyRecords(batch, target, rowsMax, separator))
}

function copyRecords(batch: OpenBatch, target: RecordTarget, rowsMax: number, separator: number): Stop {
  const { payload, limit, fromDelta, untilDelta, lastDelta, baseOffset } = batch
  const { buffer, ends, offsets, timestamps, keys, headers, nulls } = target
  while (batch.left > 0) {
    const size = readVarint(payload, batch.at)
    const start = varintEnd
    const end = start + size
    if (!(size >= 6 && end <= limit)) throw new RangeError('a record is longer than its batch')
    const timestampDelta = readTimestampDelta(payload, start + 1)
    const delta = readVarint(payload, varintEnd)
    if (!(delta >= batch.nextDelta && delta <= lastDelta))
      throw new RangeError('the offset of a record lies outside of its batch')
    if (delta < fromDelta) {
      batch.nextDelta = delta + 1
      batch.at = end
      batch.left--
      continue
    }
    if (delta >= untilDelta) return 'until'
    const keySize = readVarint(payload, varintEnd)
    const keyAt = varintEnd
    const keyEnd = keySize > 0 ? keyAt + keySize : keyAt
    const valueSize = readVarint(payload, keyEnd)
    const valueAt = varintEnd
    const valueEnd = valueSize > 0 ? valueAt + valueSize : valueAt
    if (!(keyEnd < end && valueEnd < end)) throw new RangeError('a key or value is longer than its record')
    if (valueSize <= 0 && nulls === undefined) return valueSize === 0 ? 'empty value' : 'null value'

    const { rows, length } = target
    const next = length + (valueEnd - valueAt)
    if (rows >= rowsMax || next >= buffer.length) return 'full'
    if (
      (keys !== undefined && !fits(keys, keyEnd - keyAt)) ||
      (headers !== undefined && !fits(headers, end - valueEnd))
    )
      return 'full'
    payload.copy(buffer, length, valueAt, valueEnd)
    buffer[next] = separator
    ends[rows] = next
    if (valueSize < 0 && nulls !== undefined) markNull(nulls, rows)
    offsets[rows] = baseOffset + BigInt(delta)
    timestamps[rows] = batch.isLogAppendTime ? batch.maxTimestamp : batch.baseTimestamp + timestampDelta
    if (keys !== undefined) {
      append(keys, rows, payload, keyAt, keyEnd)
      if (keySize < 0) markNull(keys.nulls, rows)
    }
    if (headers !== undefined) append(headers, rows, payload, valueEnd, end)
    target.rows = rows + 1
    target.length = next + 1
    batch.nextDelta = delta + 1
    batch.at = end
    batch.left--
  }
  return 'end'
}

/** Without arithmetic on bigints when the fifth byte shows that the varint ends there at the latest, as nearly all do. */
function readTimestampDelta(payload: Buffer, at: number): bigint {
  return payload[at + 4]! < 0x80 ? BigInt(readVarint(payload, at)) : readVarlong(payload, at)
}

/** Whether a row of `size` bytes fits; the first one always does, or a single large one could never be read. */
function fits(column: BytesColumn, size: number): boolean {
  if (column.length === 0 && size > column.bytes.length) column.bytes = Buffer.allocUnsafeSlow(size)
  return column.length + size <= column.bytes.length
}

function append(column: BytesColumn, row: number, source: Buffer, from: number, to: number): void {
  column.length += source.copy(column.bytes, column.length, from, to)
  column.ends[row] = column.length
}

function markNull(nulls: Uint8Array, row: number): void {
  nulls[row >>> 3]! |= 1 << (row & 7)
}
