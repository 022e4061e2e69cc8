import { MillraceError } from '../../core/errors.ts'
import { nestedRecord, readAvroFile, namesById, type RecordSchema } from './avro-file.ts'
import { RecordFields } from './record-fields.ts'
import type { ManifestFile } from './manifest-list.ts'

/** A data or delete file with what its manifest says of it. Source: apache/iceberg format/spec.md, "Manifests". */
export interface ContentFile {
  readonly content: 'data' | 'position-deletes' | 'equality-deletes'
  readonly path: string
  readonly format: string
  readonly specId: number
  /** Values by the ids of the partition fields: number, bigint, text, boolean, bytes; missing: NULL. */
  readonly partition: ReadonlyMap<number, PartitionValue>
  readonly records: number
  readonly size: number
  /** Counts and bounds by the ids of the columns. */
  readonly valueCounts: ReadonlyMap<number, number>
  readonly nullCounts: ReadonlyMap<number, number>
  readonly nanCounts: ReadonlyMap<number, number>
  readonly lower: ReadonlyMap<number, Buffer>
  readonly upper: ReadonlyMap<number, Buffer>
  /** Where row groups begin, when the writer says so. */
  readonly splitOffsets: readonly number[] | undefined
  /** Columns that are compared, for equality deletes. */
  readonly equalityIds: readonly number[] | undefined
  /** The only data file that the position deletes are about. */
  readonly referencedDataFile: string | undefined
  /** The data sequence number: orders data files and deletes. */
  readonly sequenceNumber: number
}

export type PartitionValue = number | bigint | string | boolean | Buffer

export interface ManifestEntry {
  readonly status: 'existing' | 'added' | 'deleted'
  readonly snapshotId: string | undefined
  readonly file: ContentFile
}

const ENTRY = { status: 0, snapshot: 1, sequence: 3, file: 2 } as const
const FILE = {
  content: 134,
  path: 100,
  format: 101,
  partition: 102,
  records: 103,
  size: 104,
  valueCounts: 109,
  nullCounts: 110,
  nanCounts: 137,
  lower: 125,
  upper: 128,
  keyMetadata: 131,
  splitOffsets: 132,
  equalityIds: 135,
  referenced: 143,
} as const

const STATUSES = ['existing', 'added', 'deleted'] as const
const CONTENTS = ['data', 'position-deletes', 'equality-deletes'] as const

/** @throws MillraceError `SCHEMA` when files are encrypted or of a kind that nobody here knows. */
export function readManifest(bytes: Uint8Array, manifest: ManifestFile): readonly ManifestEntry[] {
  const name = manifest.path
  const { schema, records } = readAvroFile(bytes, name)
  const entry = new RecordFields(schema, name)
  const fileSchema = nestedRecord(schema, ENTRY.file)
  if (fileSchema === undefined) throw unreadable(name, 'it has no `data_file`')
  const file = new FileReader(fileSchema, manifest)
  return records.map((record) => {
    const status = STATUSES[entry.number(record, ENTRY.status)]
    if (status === undefined) throw unreadable(name, 'it has an entry of unknown status')
    return {
      status,
      snapshotId: entry.id(record, ENTRY.snapshot) ?? (status === 'added' ? manifest.addedSnapshotId : undefined),
      // Added entries inherit the sequence number of their manifest, which is 0 in version 1.
      file: file.read(
        entry.get(record, ENTRY.file) as Record<string, unknown>,
        entry.optionalNumber(record, ENTRY.sequence) ?? inherited(status, manifest),
      ),
    }
  })
}

function inherited(status: ManifestEntry['status'], { path, sequenceNumber }: ManifestFile): number {
  if (status === 'added' || sequenceNumber === 0) return sequenceNumber
  throw unreadable(path, 'an entry that is not new has no sequence number')
}

class FileReader {
  readonly #fields: RecordFields
  readonly #partition: ReadonlyMap<number, string>
  readonly #manifest: ManifestFile

  constructor(schema: RecordSchema, manifest: ManifestFile) {
    this.#fields = new RecordFields(schema, manifest.path)
    const partition = nestedRecord(schema, FILE.partition)
    this.#partition = partition === undefined ? new Map() : namesById(partition)
    this.#manifest = manifest
  }

  read(record: Readonly<Record<string, unknown>>, sequenceNumber: number): ContentFile {
    const fields = this.#fields
    const path = fields.text(record, FILE.path)
    if (fields.get(record, FILE.keyMetadata) !== undefined) throw unreadable(path, 'it is encrypted')
    const content = CONTENTS[fields.optionalNumber(record, FILE.content) ?? 0]
    if (content === undefined) throw unreadable(path, 'it is neither data nor deletes')
    return {
      content,
      path,
      format: fields.text(record, FILE.format).toLowerCase(),
      specId: this.#manifest.specId,
      partition: this.#partitionOf(fields.get(record, FILE.partition)),
      records: fields.number(record, FILE.records),
      size: fields.number(record, FILE.size),
      valueCounts: fields.map(record, FILE.valueCounts, Number),
      nullCounts: fields.map(record, FILE.nullCounts, Number),
      nanCounts: fields.map(record, FILE.nanCounts, Number),
      lower: fields.map(record, FILE.lower, (value) => value as Buffer),
      upper: fields.map(record, FILE.upper, (value) => value as Buffer),
      splitOffsets: fields.numbers(record, FILE.splitOffsets),
      equalityIds: fields.numbers(record, FILE.equalityIds),
      referencedDataFile: fields.optionalText(record, FILE.referenced),
      sequenceNumber,
    }
  }

  #partitionOf(record: unknown): ReadonlyMap<number, PartitionValue> {
    const values = new Map<number, PartitionValue>()
    if (typeof record !== 'object' || record === null) return values
    for (const [id, name] of this.#partition) {
      const value = (record as Record<string, unknown>)[name]
      if (value !== null && value !== undefined) values.set(id, value as PartitionValue)
    }
    return values
  }
}

function unreadable(path: string, why: string): MillraceError {
  return new MillraceError(`reading ${path}: ${why}`, { code: 'SCHEMA', detail: { file: path } })
}
