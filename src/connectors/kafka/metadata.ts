import type { RecordMetadata } from '../../core/batch.ts'
import { isNullAt, parseHeaders, type BytesColumn, type RecordTarget } from '../../clients/kafka/index.ts'

/** The metadata columns that the plan asked for, from what was gathered beside the values. */
export function metadataOf(target: RecordTarget, partition: number, wanted: readonly string[]): RecordMetadata {
  const { rows } = target
  const asks = (name: string): boolean => wanted.includes(name)
  return {
    ...(asks('_partition') ? { partition: new Int32Array(rows).fill(partition) } : {}),
    ...(asks('_offset') ? { offset: target.offsets.slice(0, rows) } : {}),
    ...(asks('_timestamp') ? { timestamp: toMicros(target.timestamps, rows) } : {}),
    ...(asks('_key') && target.keys !== undefined ? { key: bytesOf(target.keys, rows) } : {}),
    ...(asks('_headers') && target.headers !== undefined ? { headers: headersOf(target.headers, rows) } : {}),
  }
}

function toMicros(millis: BigInt64Array, rows: number): BigInt64Array {
  const micros = new BigInt64Array(rows)
  for (let row = 0; row < rows; row++) micros[row] = (millis[row] ?? 0n) * 1000n
  return micros
}

function bytesOf(column: BytesColumn, rows: number): (Uint8Array | null)[] {
  return Array.from({ length: rows }, (_, row) =>
    isNullAt(column, row) ? null : Buffer.from(column.bytes.subarray(startOf(column, row), column.ends[row])),
  )
}

/** Headers as one JSON object per record; of several with the same name the last one counts. */
function headersOf(column: BytesColumn, rows: number): (string | null)[] {
  return Array.from({ length: rows }, (_, row) => {
    const headers = parseHeaders(column.bytes.subarray(startOf(column, row), column.ends[row]))
    return JSON.stringify(Object.fromEntries(headers.map(({ key, value }) => [key, value?.toString('utf8') ?? null])))
  })
}

function startOf(column: BytesColumn, row: number): number {
  return row === 0 ? 0 : (column.ends[row - 1] ?? 0)
}
