import { nestedRecord, readAvroFile } from './avro-file.ts'
import { RecordFields } from './record-fields.ts'

/** One manifest as a manifest list describes it. Source: apache/iceberg format/spec.md, "Manifest Lists". */
export interface ManifestFile {
  readonly path: string
  readonly specId: number
  readonly content: 'data' | 'deletes'
  readonly sequenceNumber: number
  readonly addedSnapshotId: string | undefined
  /** One for each partition field; missing when the writer left them out. */
  readonly partitions: readonly PartitionSummary[] | undefined
}

export interface PartitionSummary {
  readonly containsNull: boolean
  readonly containsNan: boolean
  readonly lower: Buffer | undefined
  readonly upper: Buffer | undefined
}

const ID = { path: 500, specId: 502, content: 517, sequence: 515, snapshot: 503, partitions: 507 } as const
const SUMMARY = { containsNull: 509, containsNan: 518, lower: 510, upper: 511 } as const

export function readManifestList(bytes: Uint8Array, name: string): readonly ManifestFile[] {
  const { schema, records } = readAvroFile(bytes, name)
  const fields = new RecordFields(schema, name)
  const nested = nestedRecord(schema, ID.partitions)
  const summaries = nested === undefined ? undefined : new RecordFields(nested, name)
  return records.map((record) => {
    const partitions = fields.get(record, ID.partitions)
    return {
      path: fields.text(record, ID.path),
      specId: fields.number(record, ID.specId),
      content: fields.optionalNumber(record, ID.content) === 1 ? 'deletes' : 'data',
      sequenceNumber: fields.optionalNumber(record, ID.sequence) ?? 0,
      addedSnapshotId: fields.id(record, ID.snapshot),
      partitions:
        summaries === undefined || !Array.isArray(partitions)
          ? undefined
          : (partitions as Record<string, unknown>[]).map((one) => summaryOf(summaries, one)),
    }
  })
}

function summaryOf(fields: RecordFields, record: Readonly<Record<string, unknown>>): PartitionSummary {
  return {
    containsNull: fields.get(record, SUMMARY.containsNull) !== false,
    containsNan: fields.get(record, SUMMARY.containsNan) !== false,
    lower: fields.bytes(record, SUMMARY.lower),
    upper: fields.bytes(record, SUMMARY.upper),
  }
}
