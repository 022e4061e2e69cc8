import { gunzipSync } from 'node:zlib'
import { MillraceError } from '../../core/errors.ts'
import { asObject, Fields, parseLossless, type LosslessObject } from './lossless-json.ts'
import { parseSchema, type IcebergSchema } from './types.ts'

/** What a table's metadata file says. Source: apache/iceberg format/spec.md, "Table Metadata Fields". */
export interface TableMetadata {
  readonly formatVersion: 1 | 2
  /** Missing in old tables of version 1. */
  readonly uuid: string | undefined
  readonly location: string
  readonly schemas: ReadonlyMap<number, IcebergSchema>
  readonly currentSchemaId: number
  readonly specs: ReadonlyMap<number, PartitionSpec>
  readonly snapshots: ReadonlyMap<string, Snapshot>
  /** Snapshot ids by branch or tag. */
  readonly refs: ReadonlyMap<string, SnapshotRef>
  /** What was current since when, oldest first. */
  readonly log: readonly { readonly timestampMs: number; readonly snapshotId: string }[]
  readonly properties: Readonly<Record<string, string>>
}

export interface SnapshotRef {
  readonly snapshotId: string
  readonly type: 'branch' | 'tag'
}

export interface Snapshot {
  readonly id: string
  readonly parentId: string | undefined
  readonly sequenceNumber: number
  readonly timestampMs: number
  /** `append`, `replace`, `overwrite` or `delete`; old tables of version 1 do not say. */
  readonly operation: string | undefined
  readonly manifestList: string | undefined
  /** Version 1 may name the manifests here. */
  readonly manifests: readonly string[]
  readonly schemaId: number | undefined
  readonly summary: Readonly<Record<string, string>>
}

export interface PartitionSpec {
  readonly id: number
  readonly fields: readonly PartitionField[]
}

export interface PartitionField {
  readonly fieldId: number
  readonly sourceId: number
  readonly transform: string
}

/** No snapshot: how old writers say that a table is empty. */
const NO_SNAPSHOT = '-1'
const MAIN = 'main'

/**
 * Reads a metadata file, gzipped or not.
 *
 * @throws MillraceError `DECODE` when it is damaged, `SCHEMA` when its format version is not 1 or 2.
 */
export function parseTableMetadata(bytes: Uint8Array, location: string): TableMetadata {
  const what = `the Iceberg metadata ${location}`
  return tableMetadataFrom(parseLossless(plainText(bytes, what), what), what)
}

function plainText(bytes: Uint8Array, what: string): string {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return Buffer.from(bytes).toString('utf8')
  try {
    return gunzipSync(bytes).toString('utf8')
  } catch (cause) {
    throw new MillraceError(`reading ${what}: it cannot be unpacked`, { code: 'DECODE', cause })
  }
}

/** The same of parsed JSON, as a REST catalog hands it out. */
export function tableMetadataFrom(json: LosslessObject, what: string): TableMetadata {
  const fields = new Fields(json, what)
  const formatVersion = fields.integer('format-version')
  if (formatVersion !== 1 && formatVersion !== 2) {
    throw new MillraceError(
      `reading ${what}: format version ${formatVersion} is not supported (deletion vectors and other parts of it would ` +
        'be read wrong); rewrite the table as version 2',
      { code: 'SCHEMA', detail: { formatVersion } },
    )
  }
  const snapshots = fields.has('snapshots') ? fields.objects('snapshots') : []
  return {
    formatVersion,
    uuid: fields.has('table-uuid') ? fields.text('table-uuid') : undefined,
    location: fields.text('location').replace(/\/+$/, ''),
    ...schemasOf(fields, what),
    specs: specsOf(fields, what),
    snapshots: new Map(snapshots.map((snapshot) => parseSnapshot(snapshot, what)).map((one) => [one.id, one])),
    refs: refsOf(fields, what),
    log: (fields.has('snapshot-log') ? fields.objects('snapshot-log') : []).map((entry) => {
      const log = new Fields(entry, what)
      return { timestampMs: log.integer('timestamp-ms'), snapshotId: log.id('snapshot-id') }
    }),
    properties: fields.texts('properties'),
  }
}

function schemasOf(fields: Fields, what: string): Pick<TableMetadata, 'schemas' | 'currentSchemaId'> {
  const single = asObject(fields.get('schema'))
  const all = fields.has('schemas') ? fields.objects('schemas') : single === undefined ? [] : [single]
  const schemas = new Map(all.map((json) => parseSchema(json, what)).map((schema) => [schema.schemaId, schema]))
  const currentSchemaId = fields.integerOr('current-schema-id', [...schemas.keys()].at(-1) ?? 0)
  if (!schemas.has(currentSchemaId)) {
    throw new MillraceError(`reading ${what}: the current schema is missing`, { code: 'DECODE' })
  }
  return { schemas, currentSchemaId }
}

function specsOf(fields: Fields, what: string): ReadonlyMap<number, PartitionSpec> {
  if (!fields.has('partition-specs')) {
    const only = fields.has('partition-spec') ? fields.objects('partition-spec') : []
    return new Map([[0, { id: 0, fields: only.map((json, index) => partitionField(json, 1000 + index, what)) }]])
  }
  const specs = fields.objects('partition-specs').map((json): PartitionSpec => {
    const spec = new Fields(json, what)
    const parts = spec.objects('fields').map((field, index) => partitionField(field, 1000 + index, what))
    return { id: spec.integer('spec-id'), fields: parts }
  })
  return new Map(specs.map((spec) => [spec.id, spec]))
}

/** Version 1 may leave the ids of partition fields out: then they count from 1000. */
function partitionField(json: LosslessObject, fieldId: number, what: string): PartitionField {
  const field = new Fields(json, what)
  return {
    fieldId: field.integerOr('field-id', fieldId),
    sourceId: field.integer('source-id'),
    transform: field.text('transform'),
  }
}

function parseSnapshot(json: LosslessObject, what: string): Snapshot {
  const snapshot = new Fields(json, what)
  const summary = snapshot.texts('summary')
  const manifests = snapshot.has('manifests') ? snapshot.list('manifests') : []
  return {
    id: snapshot.id('snapshot-id'),
    parentId: snapshot.has('parent-snapshot-id') ? snapshot.id('parent-snapshot-id') : undefined,
    sequenceNumber: snapshot.integerOr('sequence-number', 0),
    timestampMs: snapshot.integer('timestamp-ms'),
    operation: summary['operation'],
    manifestList: snapshot.has('manifest-list') ? snapshot.text('manifest-list') : undefined,
    manifests: manifests.filter((item): item is string => typeof item === 'string'),
    schemaId: snapshot.has('schema-id') ? snapshot.integer('schema-id') : undefined,
    summary,
  }
}

function refsOf(fields: Fields, what: string): ReadonlyMap<string, SnapshotRef> {
  const refs = new Map<string, SnapshotRef>()
  for (const [name, value] of Object.entries(asObject(fields.get('refs')) ?? {})) {
    const ref = new Fields(asObject(value) ?? {}, what)
    refs.set(name, { snapshotId: ref.id('snapshot-id'), type: ref.text('type') === 'tag' ? 'tag' : 'branch' })
  }
  if (!refs.has(MAIN) && fields.has('current-snapshot-id') && fields.id('current-snapshot-id') !== NO_SNAPSHOT) {
    refs.set(MAIN, { snapshotId: fields.id('current-snapshot-id'), type: 'branch' })
  }
  return refs
}
