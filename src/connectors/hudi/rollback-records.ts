import type { Schema } from 'avsc'
import { decodeContainer, encodeContainer } from './avro-container.ts'
import type { Instant } from './instant.ts'
import { ownerFromExtra, ownerToExtra, type Owner } from './owner.ts'
import { splitPath } from './partition.ts'
import type { WriteAction } from './timeline-file.ts'

/** What a rollback will delete, written before it deletes anything. */
export interface RollbackPlan {
  readonly instant: Instant
  readonly action: string
  /** Paths below the table. */
  readonly files: readonly string[]
}

const NAMESPACE = 'org.apache.hudi.avro.model'
export const TEXT: Schema = { type: 'string', 'avro.java.string': 'String' } as const

const INSTANT_INFO = {
  type: 'record',
  name: 'HoodieInstantInfo',
  namespace: NAMESPACE,
  fields: [
    { name: 'commitTime', type: TEXT },
    { name: 'action', type: TEXT },
  ],
} as const

/** HoodieRollbackPlan.avsc of Apache Hudi; the order of the fields is the encoding. */
const PLAN = {
  type: 'record',
  name: 'HoodieRollbackPlan',
  namespace: NAMESPACE,
  fields: [
    { name: 'instantToRollback', type: ['null', INSTANT_INFO], default: null },
    {
      name: 'RollbackRequests',
      type: [
        'null',
        {
          type: 'array',
          items: {
            type: 'record',
            name: 'HoodieRollbackRequest',
            fields: [
              { name: 'partitionPath', type: TEXT },
              { name: 'fileId', type: ['null', TEXT], default: null },
              { name: 'latestBaseInstant', type: ['null', TEXT], default: null },
              { name: 'filesToBeDeleted', type: { type: 'array', items: TEXT }, default: [] },
              { name: 'logBlocksToBeDeleted', type: ['null', map('long')], default: null },
            ],
          },
        },
      ],
      default: null,
    },
    { name: 'version', type: ['int', 'null'], default: 1 },
  ],
} as unknown as Schema

/** HoodieRollbackMetadata.avsc of Apache Hudi. */
export const ROLLBACK_METADATA: Schema = {
  type: 'record',
  name: 'HoodieRollbackMetadata',
  namespace: NAMESPACE,
  fields: [
    { name: 'startRollbackTime', type: TEXT },
    { name: 'timeTakenInMillis', type: 'long' },
    { name: 'totalFilesDeleted', type: 'int' },
    { name: 'commitsRollback', type: { type: 'array', items: TEXT } },
    {
      name: 'partitionMetadata',
      type: map({
        type: 'record',
        name: 'HoodieRollbackPartitionMetadata',
        fields: [
          { name: 'partitionPath', type: TEXT },
          { name: 'successDeleteFiles', type: { type: 'array', items: TEXT } },
          { name: 'failedDeleteFiles', type: { type: 'array', items: TEXT } },
          { name: 'rollbackLogFiles', type: ['null', map('long')], default: null },
          { name: 'logFilesFromFailedCommit', type: ['null', map('long')], default: null },
        ],
      }),
    },
    { name: 'version', type: ['int', 'null'], default: 1 },
    { name: 'instantsRollback', type: { type: 'array', items: INSTANT_INFO }, default: [] },
  ],
} as unknown as Schema

export function map(values: unknown): object {
  return { type: 'map', values, 'avro.java.string': 'String' }
}

/** The owner goes into the container's header, which Java passes over: the record itself has no place for it. */
export function encodePlan(root: string, plan: RollbackPlan, owner: Owner): Uint8Array {
  const requests = plan.files.map((path) => ({
    partitionPath: splitPath(path).partition,
    fileId: '',
    latestBaseInstant: '',
    filesToBeDeleted: [uri(root, path)],
    logBlocksToBeDeleted: {},
  }))
  const record = {
    instantToRollback: { commitTime: plan.instant, action: plan.action },
    RollbackRequests: requests,
    version: 1,
  }
  return encodeContainer(PLAN, record, ownerToExtra(owner))
}

export interface DecodedPlan {
  readonly instant: Instant | undefined
  readonly action: WriteAction
  /** Whose rollback it is, if it is one of ours. */
  readonly owner: Owner | undefined
  /** Paths below the table. Files with addresses elsewhere (a table that was moved) are left out. */
  readonly files: readonly string[]
}

/** Reads a plan that anybody wrote. */
export function decodePlan(root: string, bytes: Uint8Array, name: string): DecodedPlan {
  const { record, note } = decodeContainer(bytes, name)
  const plan = record as {
    readonly instantToRollback?: { readonly commitTime?: unknown; readonly action?: unknown } | null
    readonly RollbackRequests?: readonly { readonly filesToBeDeleted?: readonly string[] }[] | null
  }
  const instant = plan.instantToRollback?.commitTime
  const addresses = (plan.RollbackRequests ?? []).flatMap(({ filesToBeDeleted }) => filesToBeDeleted ?? [])
  const start = uri(root, '')
  const files = addresses.filter((each) => each.startsWith(start)).map((each) => each.slice(start.length))
  const action = plan.instantToRollback?.action === 'replacecommit' ? 'replacecommit' : 'commit'
  return { instant: typeof instant === 'string' ? instant : undefined, action, owner: ownerFromExtra(note), files }
}

export interface RollbackDone extends RollbackPlan {
  readonly rollback: Instant
}

export function encodeRollback(root: string, done: RollbackDone, owner: Owner): Uint8Array {
  const partitionMetadata: Record<string, { partitionPath: string; successDeleteFiles: string[] }> = {}
  for (const path of done.files) {
    const { partition } = splitPath(path)
    const entry = (partitionMetadata[partition] ??= { partitionPath: partition, ...NO_FILES, successDeleteFiles: [] })
    entry.successDeleteFiles.push(uri(root, path))
  }
  const record = {
    startRollbackTime: done.rollback,
    timeTakenInMillis: 0,
    totalFilesDeleted: done.files.length,
    commitsRollback: [done.instant],
    partitionMetadata,
    version: 1,
    instantsRollback: [{ commitTime: done.instant, action: done.action }],
  }
  return encodeContainer(ROLLBACK_METADATA, record, ownerToExtra(owner))
}

const NO_FILES = { failedDeleteFiles: [], rollbackLogFiles: {}, logFilesFromFailedCommit: {} }

/** Java writes whole addresses into plans: `file:/…` on a disk. */
export function uri(root: string, path: string): string {
  return root.includes(':') ? `${root}/${path}` : `file:${root}/${path}`
}
