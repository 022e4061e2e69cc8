import { gatherSeparated } from './line-feeds.ts'
import type { OpenBatch, Stop } from './open-batch.ts'
import type { ValueTarget } from './value-target.ts'
import { readVarint, varintEnd } from './varint.ts'

/**
 * Copies the values of a batch's records behind each other, until the batch ends or the target is full. A record is
 *
 *     length, attributes i8, timestampDelta, offsetDelta, keyLength, key, valueLength, value, headers   (varints)
 *
 * and its length leads to the next one, so headers are not looked at.
 */
export function gatherBatchValues(batch: OpenBatch, target: ValueTarget): Stop {
  return gatherSeparated(batch, target, (rowsMax, separator) => copyValues(batch, target, rowsMax, separator))
}

/**
 * The loop that all speed depends on: no object and no call for each record but the copy itself. Varints of one and two
 * bytes are read in place. The `!`: a read beyond the end gives undefined, and the checks against `limit` catch it.
 */
function copyValues(batch: OpenBatch, target: ValueTarget, rowsMax: number, separator: number): Stop {
  const { payload, limit, fromDelta, untilDelta, lastDelta } = batch
  const { buffer, ends } = target
  const room = buffer.length
  let { at, left, nextDelta } = batch
  let { rows, length } = target
  let stop: Stop = 'end'
  while (left > 0) {
    let position = at
    let size = payload[position]!
    let high = payload[position + 1]!
    if (size >= 0x80 && high < 0x80) {
      size = ((size & 0x7f) | (high << 7)) >>> 1
      position += 2
    } else {
      size = readVarint(payload, position)
      position = varintEnd
    }
    const end = position + size
    if (!(size >= 6 && end <= limit)) throw new RangeError('a record is longer than its batch')

    position++ // attributes
    while (payload[position++]! >= 0x80); // timestamp delta
    let delta = payload[position]!
    high = payload[position + 1]!
    if (delta < 0x80) {
      delta >>>= 1
      position++
    } else if (high < 0x80) {
      delta = ((delta & 0x7f) | (high << 7)) >>> 1
      position += 2
    } else {
      delta = readVarint(payload, position)
      position = varintEnd
    }
    if (!(delta >= nextDelta && delta <= lastDelta))
      throw new RangeError('the offset of a record lies outside of its batch')
    if (delta < fromDelta) {
      nextDelta = delta + 1
      at = end
      left--
      continue
    }
    if (delta >= untilDelta) {
      stop = 'until'
      break
    }
    // The key: absent is -1, whose zig-zag form is 1.
    if (payload[position]! === 1) position++
    else {
      const keySize = readVarint(payload, position)
      position = varintEnd + (keySize > 0 ? keySize : 0)
    }
    let valueSize = payload[position]!
    high = payload[position + 1]!
    if (valueSize >= 0x80 && high < 0x80) {
      valueSize = ((valueSize & 0x7f) | (high << 7)) >>> 1
      position += 2
    } else {
      valueSize = readVarint(payload, position)
      position = varintEnd
    }
    if (valueSize <= 0) {
      stop = valueSize === 0 ? 'empty value' : 'null value'
      break
    }
    const valueEnd = position + valueSize
    if (!(valueEnd < end)) throw new RangeError('a value is longer than its record')
    const next = length + valueSize
    if (next >= room || rows >= rowsMax) {
      stop = 'full'
      break
    }
    payload.copy(buffer, length, position, valueEnd)
    buffer[next] = separator
    ends[rows++] = next
    length = next + 1
    nextDelta = delta + 1
    at = end
    left--
  }
  batch.at = at
  batch.left = left
  batch.nextDelta = nextDelta
  target.rows = rows
  target.length = length
  return stop
}
