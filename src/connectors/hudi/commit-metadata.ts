import { createHash } from 'node:crypto'
import { MillraceError } from '../../core/errors.ts'
import { ownerFromExtra, ownerToExtra, type Owner } from './owner.ts'

/** One data file of a commit. */
export interface WriteStat {
  readonly fileId: string
  /** Path below the table: `<partition>/<file>`. */
  readonly path: string
  readonly partitionPath: string
  readonly rows: number
  /** Exact size of the file: incremental readers use it as the file's length. */
  readonly bytes: number
}

export interface CommitMetadata {
  readonly stats: readonly WriteStat[]
  readonly extra: Readonly<Record<string, string>>
  readonly operationType: string
  /** File groups that the commit hides, by partition (replacecommit only). */
  readonly replaced: Readonly<Record<string, readonly string[]>>
  readonly owner: Owner | undefined
  /** Paths of the replaced files, when we wrote it. */
  readonly replacedPaths: readonly string[]
  /** Hash of the stats if we wrote it: two commits of one checkpoint are the same only if this agrees. */
  readonly statsHash: string | undefined
}

export const STATS_HASH = 'millrace.stats'

/** Paths of the files that a merge of ours replaced: the format itself keeps only their ids. */
const REPLACED_PATHS = 'millrace.replaced'

/** Names every file with its rows and bytes; independent of the order. */
export function hashStats(stats: readonly WriteStat[]): string {
  const lines = stats.map(({ path, rows, bytes }) => JSON.stringify([path, rows, bytes])).toSorted()
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

/** A completed commit of version 6 (HoodieCommitMetadata.java, HoodieWriteStat.java of Apache Hudi). */
export function encodeCommit({ owner, avroSchema, stats, replaced }: CommitContent): Uint8Array {
  const partitionToWriteStats: Record<string, unknown[]> = {}
  for (const stat of stats) (partitionToWriteStats[stat.partitionPath] ??= []).push(statJson(stat))
  const extraMetadata = { schema: avroSchema, ...ownerToExtra(owner), [STATS_HASH]: hashStats(stats) }
  if (replaced === undefined) return encode({ ...EMPTY, partitionToWriteStats, extraMetadata })
  const partitionToReplaceFileIds: Record<string, string[]> = {}
  for (const { partitionPath, fileId } of replaced) (partitionToReplaceFileIds[partitionPath] ??= []).push(fileId)
  const replacedPaths = JSON.stringify(replaced.map(({ path }) => path))
  return encode({
    ...EMPTY,
    partitionToWriteStats,
    extraMetadata: { ...extraMetadata, [REPLACED_PATHS]: replacedPaths },
    operationType: 'CLUSTER',
    partitionToReplaceFileIds,
  })
}

export interface CommitContent {
  readonly owner: Owner
  readonly avroSchema: string
  readonly stats: readonly WriteStat[]
  /** Of a merge: files that its own take the place of. */
  readonly replaced?: readonly Pick<WriteStat, 'fileId' | 'path' | 'partitionPath'>[]
}

/** The requested and inflight files: no files yet, only whose they will be. */
export function encodePending(owner: Owner, operationType: 'INSERT' | 'CLUSTER' = 'INSERT'): Uint8Array {
  return encode({ ...EMPTY, extraMetadata: ownerToExtra(owner), operationType })
}

const EMPTY = { partitionToWriteStats: {}, compacted: false, extraMetadata: {}, operationType: 'INSERT' }

function encode(metadata: object): Uint8Array {
  return Buffer.from(JSON.stringify(metadata, undefined, 2))
}

function statJson({ fileId, path, partitionPath, rows, bytes }: WriteStat): object {
  return {
    fileId,
    path,
    cdcStats: null,
    // The text "null" marks a new file group.
    prevCommit: 'null',
    numWrites: rows,
    numDeletes: 0,
    numUpdateWrites: 0,
    numInserts: rows,
    totalWriteBytes: bytes,
    totalWriteErrors: 0,
    tempPath: null,
    partitionPath,
    totalLogRecords: 0,
    totalLogFilesCompacted: 0,
    totalLogSizeCompacted: 0,
    totalUpdatedRecordsCompacted: 0,
    totalLogBlocks: 0,
    totalCorruptLogBlock: 0,
    totalRollbackBlocks: 0,
    fileSizeInBytes: bytes,
    minEventTime: null,
    maxEventTime: null,
    runtimeStats: { totalScanTime: 0, totalUpsertTime: 0, totalCreateTime: 0 },
  }
}

/**
 * Reads commit metadata that anybody wrote; unknown fields are passed over. An empty file, which Hudi writes for pending
 * instants, is metadata without anything.
 */
export function decodeCommit(bytes: Uint8Array, name: string): CommitMetadata {
  const whole = bytes.byteLength === 0 ? {} : parseObject(bytes, name)
  const stats: WriteStat[] = []
  const replaced: Record<string, string[]> = {}
  const extra: Record<string, string> = {}
  for (const [partitionPath, list] of Object.entries(objectOf(whole['partitionToWriteStats']))) {
    for (const each of Array.isArray(list) ? list : []) stats.push(statOf(objectOf(each), partitionPath))
  }
  for (const [partitionPath, list] of Object.entries(objectOf(whole['partitionToReplaceFileIds']))) {
    replaced[partitionPath] = (Array.isArray(list) ? list : []).map(String)
  }
  for (const [key, value] of Object.entries(objectOf(whole['extraMetadata']))) extra[key] = String(value)
  const operationType = textOf(whole['operationType'])
  const replacedPaths = JSON.parse(extra[REPLACED_PATHS] ?? '[]') as readonly string[]
  const owner = ownerFromExtra(extra)
  return { stats, extra, operationType, replaced, replacedPaths, owner, statsHash: extra[STATS_HASH] }
}

function statOf(stat: Readonly<Record<string, unknown>>, partitionPath: string): WriteStat {
  return {
    fileId: textOf(stat['fileId']),
    path: textOf(stat['path']),
    partitionPath,
    rows: Number(stat['numWrites'] ?? 0),
    bytes: Number(stat['fileSizeInBytes'] ?? 0),
  }
}

function parseObject(bytes: Uint8Array, name: string): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(Buffer.from(bytes).toString()))
  } catch (thrown) {
    throw new MillraceError(
      `reading commit metadata ${name}: it is not the JSON of a version 6 table; ` +
        'if another writer upgraded the table, downgrade it to version 6',
      { code: 'PREFLIGHT', cause: thrown },
    )
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
