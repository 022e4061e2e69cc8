import { MillraceError } from '../../core/errors.ts'
import { readManifest, type ContentFile, type ManifestEntry } from './manifest.ts'
import { readManifestList, type ManifestFile } from './manifest-list.ts'
import { fileMayMatch, manifestMayMatch } from './pruning.ts'
import { DeleteIndex, NO_DELETES, type RowDeletes } from './row-deletes.ts'
import type { Snapshot, TableMetadata } from './table-metadata.ts'
import type { IcebergField } from './types.ts'
import type { Where } from './where.ts'

/** Reads a whole file of the table by its location. Throws when it is not there. */
export type ReadFile = (location: string) => Promise<Uint8Array>

/** A table as one moment shows it. */
export interface TableView {
  readonly metadata: TableMetadata
  readonly read: ReadFile
  /** Files that cannot hold rows of this condition are left out. */
  readonly where: Where | undefined
}

/** The rows of one data file that appear or disappear. */
export interface ScanTask {
  readonly change: 'insert' | 'delete'
  readonly file: ContentFile
  /** Deletes that had been applied before: their rows are not there. */
  readonly deletes: RowDeletes
  /** Only rows that these deletes take away (a change of existing files). */
  readonly only?: RowDeletes
}

/** Manifests that are read at the same time. */
const MANIFESTS_AT_ONCE = 8

/** Every row that a snapshot holds, file by file, in an order that is the same every time. */
export async function planScan(table: TableView, snapshot: Snapshot): Promise<readonly ScanTask[]> {
  const { live, deletes } = await liveFiles(table, snapshot)
  const index = new DeleteIndex(deletes, table.metadata.specs)
  return live.map((file) => ({ change: 'insert', file, deletes: index.of(file) }))
}

/**
 * What a snapshot that only appends has added. Manifests that it merged carry older entries as existing ones, which are
 * not counted again. Source: apache/iceberg core/src/main/java/org/apache/iceberg/BaseIncrementalAppendScan.java.
 */
export async function planAppend(table: TableView, snapshot: Snapshot): Promise<readonly ScanTask[]> {
  const manifests = (await manifestsOf(table, snapshot)).filter(
    ({ content, addedSnapshotId }) => content === 'data' && addedSnapshotId === snapshot.id,
  )
  const entries = await readEntries(table, manifests)
  return entries
    .filter((entry) => entry.status === 'added' && entry.snapshotId === snapshot.id)
    .filter(({ file }) => mayHoldRows(table, file))
    .map(({ file }) => ({ change: 'insert', file: readable(file), deletes: NO_DELETES }))
}

/**
 * All changes of rows between a snapshot and its parent: removed files, rows that new deletes take out of files that
 * stay, and added files. Removed rows come first.
 */
export async function planChanges(
  table: TableView,
  snapshot: Snapshot,
  parent: Snapshot | undefined,
): Promise<readonly ScanTask[]> {
  const after = await liveFiles(table, snapshot)
  const before = parent === undefined ? { live: [], deletes: [] } : await liveFiles(table, parent)
  const beforePaths = new Set(before.live.map(({ path }) => path))
  const afterPaths = new Set(after.live.map(({ path }) => path))
  const oldDeletes = new DeleteIndex(before.deletes, table.metadata.specs)
  const knownDeletes = new Set(before.deletes.map(({ path }) => path))
  const newDeletes = new DeleteIndex(
    after.deletes.filter(({ path }) => !knownDeletes.has(path)),
    table.metadata.specs,
  )
  const allDeletes = new DeleteIndex(after.deletes, table.metadata.specs)
  const removed = before.live.flatMap((file): ScanTask[] => {
    const task = { change: 'delete', file, deletes: oldDeletes.of(file) } as const
    if (!afterPaths.has(file.path)) return [task]
    const only = newDeletes.of(file)
    return only === NO_DELETES ? [] : [{ ...task, only }]
  })
  const added = after.live.filter(({ path }) => !beforePaths.has(path))
  return [...removed, ...added.map((file): ScanTask => ({ change: 'insert', file, deletes: allDeletes.of(file) }))]
}

async function liveFiles(
  table: TableView,
  snapshot: Snapshot,
): Promise<{ readonly live: readonly ContentFile[]; readonly deletes: readonly ContentFile[] }> {
  const entries = await readEntries(table, await manifestsOf(table, snapshot))
  const present = entries.filter(({ status }) => status !== 'deleted').map(({ file }) => readable(file))
  return {
    live: present.filter((file) => file.content === 'data' && mayHoldRows(table, file)),
    deletes: present.filter((file) => file.content !== 'data'),
  }
}

async function manifestsOf(table: TableView, snapshot: Snapshot): Promise<readonly ManifestFile[]> {
  const { manifestList } = snapshot
  if (manifestList !== undefined) return readManifestList(await table.read(manifestList), manifestList)
  return snapshot.manifests.map((path) => ({
    path,
    specId: 0,
    content: 'data',
    sequenceNumber: 0,
    addedSnapshotId: snapshot.id,
    partitions: undefined,
  }))
}

async function readEntries(table: TableView, manifests: readonly ManifestFile[]): Promise<readonly ManifestEntry[]> {
  const wanted = manifests.filter((manifest) => manifest.content === 'deletes' || mayHoldFiles(table, manifest))
  const entries: ManifestEntry[] = []
  for (let at = 0; at < wanted.length; at += MANIFESTS_AT_ONCE) {
    const some = wanted.slice(at, at + MANIFESTS_AT_ONCE)
    const read = await Promise.all(
      some.map(async (manifest) => readManifest(await table.read(manifest.path), manifest)),
    )
    for (const part of read) entries.push(...part)
  }
  return entries
}

function mayHoldFiles({ where, metadata }: TableView, manifest: ManifestFile): boolean {
  if (where === undefined) return true
  return manifestMayMatch(where, manifest, metadata.specs.get(manifest.specId), columnsById(metadata))
}

/** False only when no row of the file can match. */
export function mayHoldRows({ where, metadata }: Pick<TableView, 'where' | 'metadata'>, file: ContentFile): boolean {
  if (where === undefined) return true
  return fileMayMatch(where, file, metadata.specs.get(file.specId), columnsById(metadata))
}

const byId = new WeakMap<TableMetadata, ReadonlyMap<number, IcebergField>>()

/** Every column that any schema of the table has, in its newest form: types only ever grow. */
export function columnsById(metadata: TableMetadata): ReadonlyMap<number, IcebergField> {
  const known = byId.get(metadata)
  if (known !== undefined) return known
  const columns = new Map<number, IcebergField>()
  const current = metadata.schemas.get(metadata.currentSchemaId)
  const schemas = [...metadata.schemas.values()].sort((one, other) => one.schemaId - other.schemaId)
  for (const schema of current === undefined ? schemas : [...schemas, current]) {
    for (const field of schema.fields) columns.set(field.id, field)
  }
  byId.set(metadata, columns)
  return columns
}

function readable(file: ContentFile): ContentFile {
  if (file.format === 'parquet') return file
  throw new MillraceError(
    `planning a scan: ${file.path} is ${file.format} (${file.content}), and only Parquet is read; rewrite the files of the table`,
    { code: 'SCHEMA', detail: { file: file.path, format: file.format } },
  )
}
