import type { Schema } from 'avsc'
import { decodeContainer, encodeContainer } from '../avro-container.ts'
import type { Instant } from '../instant.ts'
import { ownerFromExtra, ownerToExtra, type Owner } from '../owner.ts'
import { splitPath } from '../partition.ts'
import { map, TEXT, uri } from '../rollback-records.ts'

/** What a clean deletes, written before it deletes anything. */
export interface CleanPlan {
  readonly earliest: Instant
  /** The newest completed commit. */
  readonly last: Instant
  /** Below the table. */
  readonly paths: readonly string[]
}

const POLICY = 'KEEP_LATEST_COMMITS'

/** HoodieCleanerPlan.avsc of Apache Hudi; the order of the fields is the encoding. */
export const CLEAN_PLAN: Schema = {
  type: 'record',
  name: 'HoodieCleanerPlan',
  namespace: 'org.apache.hudi.avro.model',
  fields: [
    {
      name: 'earliestInstantToRetain',
      type: [
        'null',
        {
          type: 'record',
          name: 'HoodieActionInstant',
          fields: [
            { name: 'timestamp', type: TEXT },
            { name: 'action', type: TEXT },
            { name: 'state', type: TEXT },
          ],
        },
      ],
      default: null,
    },
    { name: 'lastCompletedCommitTimestamp', type: TEXT, default: '' },
    { name: 'policy', type: TEXT },
    {
      name: 'filesToBeDeletedPerPartition',
      type: ['null', map({ type: 'array', items: TEXT })],
      default: null,
    },
    { name: 'version', type: ['int', 'null'], default: 1 },
    {
      name: 'filePathsToBeDeletedPerPartition',
      type: [
        'null',
        map({
          type: 'array',
          items: {
            type: 'record',
            name: 'HoodieCleanFileInfo',
            fields: [
              { name: 'filePath', type: ['null', TEXT], default: null },
              { name: 'isBootstrapBaseFile', type: ['null', 'boolean'], default: null },
            ],
          },
        }),
      ],
      default: null,
    },
    { name: 'partitionsToBeDeleted', type: ['null', { type: 'array', items: TEXT }], default: null },
    { name: 'extraMetadata', type: ['null', map(TEXT)], default: null },
  ],
} as unknown as Schema

/** HoodieCleanMetadata.avsc of Apache Hudi. */
export const CLEAN_METADATA: Schema = {
  type: 'record',
  name: 'HoodieCleanMetadata',
  namespace: 'org.apache.hudi.avro.model',
  fields: [
    { name: 'startCleanTime', type: TEXT },
    { name: 'timeTakenInMillis', type: 'long' },
    { name: 'totalFilesDeleted', type: 'int' },
    { name: 'earliestCommitToRetain', type: TEXT },
    { name: 'lastCompletedCommitTimestamp', type: TEXT, default: '' },
    {
      name: 'partitionMetadata',
      type: map({
        type: 'record',
        name: 'HoodieCleanPartitionMetadata',
        fields: [
          { name: 'partitionPath', type: TEXT },
          { name: 'policy', type: TEXT },
          { name: 'deletePathPatterns', type: { type: 'array', items: TEXT } },
          { name: 'successDeleteFiles', type: { type: 'array', items: TEXT } },
          { name: 'failedDeleteFiles', type: { type: 'array', items: TEXT } },
          { name: 'isPartitionDeleted', type: ['null', 'boolean'], default: null },
        ],
      }),
    },
    { name: 'version', type: ['int', 'null'], default: 1 },
    { name: 'bootstrapPartitionMetadata', type: ['null', map('HoodieCleanPartitionMetadata')], default: null },
    { name: 'extraMetadata', type: ['null', map(TEXT)], default: null },
  ],
} as unknown as Schema

export function encodeCleanPlan(root: string, { earliest, last, paths }: CleanPlan, owner: Owner): Uint8Array {
  const filePaths: Record<string, { filePath: string; isBootstrapBaseFile: boolean }[]> = {}
  for (const path of paths) {
    const files = (filePaths[splitPath(path).partition] ??= [])
    files.push({ filePath: uri(root, path), isBootstrapBaseFile: false })
  }
  const record = {
    earliestInstantToRetain: { timestamp: earliest, action: 'commit', state: 'COMPLETED' },
    lastCompletedCommitTimestamp: last,
    policy: POLICY,
    filesToBeDeletedPerPartition: {},
    version: 2,
    filePathsToBeDeletedPerPartition: filePaths,
    partitionsToBeDeleted: [],
    extraMetadata: {},
  }
  // The owner goes into the header, as in plans of rollbacks.
  return encodeContainer(CLEAN_PLAN, record, ownerToExtra(owner))
}

/** Reads a plan; `undefined` when it is not one of ours. */
export function decodeCleanPlan(
  root: string,
  bytes: Uint8Array,
  name: string,
): (CleanPlan & { readonly owner: Owner }) | undefined {
  const { record, note } = decodeContainer(bytes, name)
  const owner = ownerFromExtra(note)
  if (owner === undefined) return undefined
  const plan = record as {
    readonly earliestInstantToRetain: { readonly timestamp: string }
    readonly lastCompletedCommitTimestamp: string
    readonly filePathsToBeDeletedPerPartition: Readonly<Record<string, readonly { readonly filePath: string }[]>>
  }
  const start = uri(root, '')
  const addresses = Object.values(plan.filePathsToBeDeletedPerPartition).flatMap((files) =>
    files.map(({ filePath }) => filePath),
  )
  const paths = addresses.filter((each) => each.startsWith(start)).map((each) => each.slice(start.length))
  return { owner, paths, earliest: plan.earliestInstantToRetain.timestamp, last: plan.lastCompletedCommitTimestamp }
}

export function encodeClean({ earliest, last, paths }: CleanPlan, time: Instant, owner: Owner): Uint8Array {
  const partitionMetadata: Record<string, { successDeleteFiles: string[]; deletePathPatterns: string[] }> = {}
  for (const path of paths) {
    const { partition, name } = splitPath(path)
    const empty = { partitionPath: partition, policy: POLICY, failedDeleteFiles: [], isPartitionDeleted: false }
    const entry = (partitionMetadata[partition] ??= { ...empty, successDeleteFiles: [], deletePathPatterns: [] })
    entry.successDeleteFiles.push(name)
    entry.deletePathPatterns.push(name)
  }
  const record = {
    startCleanTime: time,
    timeTakenInMillis: 0,
    totalFilesDeleted: paths.length,
    earliestCommitToRetain: earliest,
    lastCompletedCommitTimestamp: last,
    partitionMetadata,
    version: 2,
    bootstrapPartitionMetadata: {},
    extraMetadata: {},
  }
  return encodeContainer(CLEAN_METADATA, record, ownerToExtra(owner))
}
