import type { Batch, BytesBody, RecordMetadata, RowsBody, TableBody } from '../core/batch.ts'
import type { JsonObject } from '../core/json.ts'

export interface BatchParts {
  readonly split?: string
  readonly from?: JsonObject
  readonly next?: JsonObject
  readonly metadata?: RecordMetadata
  /** Line feed when absent. */
  readonly separator?: number
}

/** A batch of text records, as a source gives it; positions count records unless given. */
export function bytesBatch(records: readonly string[], parts: BatchParts = {}): TestBatch {
  const { metadata, separator = 0x0a } = parts
  const end = String.fromCharCode(separator)
  const buffer = Buffer.from(records.map((record) => `${record}${end}`).join(''))
  return testBatch(
    records.length,
    { kind: 'bytes', buffer, length: buffer.length, separator, ...(metadata && { metadata }) },
    parts,
  )
}

/** A batch that counts its releases. */
export interface TestBatch extends Batch {
  readonly releases: number
}

export function testBatch(rows: number, body: BytesBody | TableBody | RowsBody, parts: BatchParts = {}): TestBatch {
  const { split = 's/0', from = { offset: 0 }, next = { offset: rows } } = parts
  const bytes = body.kind === 'bytes' ? body.length : 0
  const batch = {
    kind: 'batch' as const,
    split,
    from,
    next,
    body,
    rows,
    bytes,
    releases: 0,
    release: () => void batch.releases++,
  }
  return batch
}
