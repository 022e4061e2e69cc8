import type { Schema } from 'avsc'
import type { FileStore } from '../../../core/file-store.ts'
import { decodeContainer } from '../avro-container.ts'
import { CLEAN_METADATA, CLEAN_PLAN } from '../clean/clean-records.ts'
import { decodeCommit } from '../commit-metadata.ts'
import { REQUESTED_REPLACE } from '../merge/start-merge.ts'
import { map, ROLLBACK_METADATA, TEXT } from '../rollback-records.ts'
import { readInstant, type TimelineInstant } from '../timeline.ts'
import type { InstantState } from '../timeline-file.ts'

const optional = (type: unknown): object => ({ type: ['null', type], default: null })
const VERSION = { name: 'version', type: ['int', 'null'], default: 1 }

const WRITE_STAT = {
  type: 'record',
  name: 'HoodieWriteStat',
  fields: [
    ...['fileId', 'path', 'prevCommit'].map((name) => ({ name, ...optional(TEXT) })),
    ...['numWrites', 'numDeletes', 'numUpdateWrites', 'totalWriteBytes', 'totalWriteErrors'].map((name) => ({
      name,
      ...optional('long'),
    })),
    { name: 'partitionPath', ...optional(TEXT) },
    ...['numInserts', 'fileSizeInBytes'].map((name) => ({ name, ...optional('long') })),
  ],
}

/**
 * HoodieArchivedMetaEntry.avsc of Apache Hudi, with the fields that our actions use; readers resolve the others to null.
 */
export const ARCHIVED_ENTRY: Schema = {
  type: 'record',
  name: 'HoodieArchivedMetaEntry',
  namespace: 'org.apache.hudi.avro.model',
  fields: [
    {
      name: 'hoodieCommitMetadata',
      ...optional({
        type: 'record',
        name: 'HoodieCommitMetadata',
        fields: [
          { name: 'partitionToWriteStats', ...optional(map({ type: 'array', items: WRITE_STAT })) },
          { name: 'extraMetadata', ...optional(map(TEXT)) },
          VERSION,
          { name: 'operationType', ...optional(TEXT) },
        ],
      }),
    },
    { name: 'hoodieCleanMetadata', ...optional(CLEAN_METADATA) },
    { name: 'hoodieRollbackMetadata', ...optional(ROLLBACK_METADATA) },
    { name: 'commitTime', ...optional(TEXT) },
    { name: 'actionType', ...optional(TEXT) },
    VERSION,
    { name: 'hoodieCleanerPlan', ...optional(CLEAN_PLAN) },
    { name: 'actionState', ...optional(TEXT) },
    {
      name: 'hoodieReplaceCommitMetadata',
      ...optional({
        type: 'record',
        name: 'HoodieReplaceCommitMetadata',
        fields: [
          { name: 'partitionToWriteStats', ...optional(map({ type: 'array', items: 'HoodieWriteStat' })) },
          { name: 'extraMetadata', ...optional(map(TEXT)) },
          VERSION,
          { name: 'operationType', ...optional(TEXT) },
          { name: 'partitionToReplaceFileIds', ...optional(map({ type: 'array', items: TEXT })) },
        ],
      }),
    },
    { name: 'hoodieRequestedReplaceMetadata', ...optional(REQUESTED_REPLACE) },
    { name: 'HoodieInflightReplaceMetadata', ...optional('HoodieCommitMetadata') },
    { name: 'stateTransitionTime', ...optional(TEXT) },
  ],
} as unknown as Schema

type Entry = Record<string, unknown>

const EMPTY: Entry = {
  hoodieCommitMetadata: null,
  hoodieCleanMetadata: null,
  hoodieRollbackMetadata: null,
  hoodieCleanerPlan: null,
  hoodieReplaceCommitMetadata: null,
  hoodieRequestedReplaceMetadata: null,
  HoodieInflightReplaceMetadata: null,
  version: 1,
}

/** One entry for each state of the instant that has a file. */
export async function archivedEntries(store: FileStore, instant: TimelineInstant): Promise<readonly unknown[]> {
  const { time, action, files } = instant
  return await Promise.all(
    files.map(async (state) => {
      const bytes = (await readInstant(store, instant, state)) ?? new Uint8Array(0)
      return {
        ...EMPTY,
        ...contentOf(action, state, bytes, `${time}.${action} (${state})`),
        commitTime: time,
        actionType: action,
        actionState: state.toUpperCase(),
        stateTransitionTime: time,
      }
    }),
  )
}

/** As MetadataConversionUtils.java of Apache Hudi distributes it. */
function contentOf(action: string, state: InstantState, bytes: Uint8Array, name: string): Entry {
  switch (action) {
    case 'commit':
      return { hoodieCommitMetadata: commitOf(bytes, name) }
    case 'replacecommit':
      if (state === 'completed') return { hoodieReplaceCommitMetadata: replaceCommitOf(bytes, name) }
      if (state === 'inflight') return { HoodieInflightReplaceMetadata: commitOf(bytes, name) }
      return { hoodieRequestedReplaceMetadata: recordOf(bytes, name, { extraMetadata: null }) }
    case 'clean':
      return state === 'completed'
        ? { hoodieCleanMetadata: recordOf(bytes, name, { lastCompletedCommitTimestamp: '', ...CLEAN_DEFAULTS }) }
        : { hoodieCleanerPlan: recordOf(bytes, name, { lastCompletedCommitTimestamp: '', ...PLAN_DEFAULTS }) }
    default:
      return state === 'completed'
        ? { hoodieRollbackMetadata: recordOf(bytes, name, { instantsRollback: [] }) }
        : { hoodieRollbackMetadata: null }
  }
}

const CLEAN_DEFAULTS = { bootstrapPartitionMetadata: null, extraMetadata: null }
const PLAN_DEFAULTS = { partitionsToBeDeleted: null, extraMetadata: null }

/** A record of whatever release wrote it; `defaults` fill fields that older ones lack. */
function recordOf(bytes: Uint8Array, name: string, defaults: object): unknown {
  if (bytes.byteLength === 0) return null
  return { ...defaults, ...(decodeContainer(bytes, name).record as object) }
}

function commitOf(bytes: Uint8Array, name: string): object {
  const { stats, extra, operationType } = decodeCommit(bytes, name)
  const partitionToWriteStats: Record<string, object[]> = {}
  for (const { fileId, path, partitionPath, rows, bytes: size } of stats) {
    const counts = { numWrites: rows, numInserts: rows, totalWriteBytes: size, fileSizeInBytes: size }
    const none = { prevCommit: 'null', numDeletes: 0, numUpdateWrites: 0, totalWriteErrors: 0 }
    ;(partitionToWriteStats[partitionPath] ??= []).push({ fileId, path, partitionPath, ...counts, ...none })
  }
  return { partitionToWriteStats, extraMetadata: extra, version: 1, operationType: operationType || null }
}

function replaceCommitOf(bytes: Uint8Array, name: string): object {
  return { ...commitOf(bytes, name), partitionToReplaceFileIds: decodeCommit(bytes, name).replaced }
}
