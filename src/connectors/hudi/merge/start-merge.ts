import type { Schema } from 'avsc'
import type { FileStore } from '../../../core/file-store.ts'
import { encodeContainer } from '../avro-container.ts'
import { encodePending } from '../commit-metadata.ts'
import type { Ticket } from '../committable.ts'
import { ownerToExtra } from '../owner.ts'
import { map, TEXT, uri } from '../rollback-records.ts'
import { timelinePath } from '../timeline-file.ts'
import type { MergeInput } from './choose-merge.ts'

const OPTIONAL_TEXT = { type: ['null', TEXT], default: null }
const VERSION = { name: 'version', type: ['int', 'null'], default: 1 }
const EXTRA = { name: 'extraMetadata', type: ['null', map(TEXT)], default: null }

/** HoodieRequestedReplaceMetadata.avsc and what it is made of, of Apache Hudi; the order of the fields is the encoding. */
export const REQUESTED_REPLACE: Schema = {
  type: 'record',
  name: 'HoodieRequestedReplaceMetadata',
  namespace: 'org.apache.hudi.avro.model',
  fields: [
    { name: 'operationType', ...OPTIONAL_TEXT },
    {
      name: 'clusteringPlan',
      type: [
        'null',
        record('HoodieClusteringPlan', [
          { name: 'inputGroups', type: ['null', { type: 'array', items: groupRecord() }], default: null },
          { name: 'strategy', type: ['null', strategyRecord()], default: null },
          EXTRA,
          VERSION,
          { name: 'preserveHoodieMetadata', type: ['null', 'boolean'], default: null },
        ]),
      ],
      default: null,
    },
    EXTRA,
    VERSION,
  ],
} as unknown as Schema

function groupRecord(): object {
  const slice = record('HoodieSliceInfo', [
    { name: 'dataFilePath', ...OPTIONAL_TEXT },
    { name: 'deltaFilePaths', type: ['null', { type: 'array', items: TEXT }], default: null },
    { name: 'fileId', type: ['null', TEXT] },
    { name: 'partitionPath', ...OPTIONAL_TEXT },
    { name: 'bootstrapFilePath', ...OPTIONAL_TEXT },
    VERSION,
  ])
  return record('HoodieClusteringGroup', [
    { name: 'slices', type: ['null', { type: 'array', items: slice }], default: null },
    { name: 'metrics', type: ['null', map('double')], default: null },
    { name: 'numOutputFileGroups', type: ['int', 'null'], default: 1 },
    EXTRA,
    VERSION,
  ])
}

function strategyRecord(): object {
  const parameters = { name: 'strategyParams', type: ['null', map(TEXT)], default: null }
  return record('HoodieClusteringStrategy', [{ name: 'strategyClassName', ...OPTIONAL_TEXT }, parameters, VERSION])
}

function record(name: string, fields: readonly object[]): object {
  return { type: 'record', name, fields }
}

/**
 * Puts a merge on the timeline: its plan tells other writers which file groups they must not touch. `taken`: another
 * writer has an instant of this time.
 */
export async function startMerge(
  store: FileStore,
  { instant, owner }: Ticket,
  inputs: readonly MergeInput[],
): Promise<'ours' | 'taken'> {
  const time = { time: instant, action: 'replacecommit' }
  const plan = encodeContainer(REQUESTED_REPLACE, planOf(store.root, inputs), ownerToExtra(owner))
  const created = await store.create(timelinePath({ ...time, state: 'requested' }), plan)
  if (created === 'exists') return 'taken'
  await store.create(timelinePath({ ...time, state: 'inflight' }), encodePending(owner, 'CLUSTER'))
  return 'ours'
}

function planOf(root: string, inputs: readonly MergeInput[]): object {
  const slices = inputs.map(({ path, fileId, partitionPath }) => ({
    dataFilePath: uri(root, path),
    deltaFilePaths: [],
    fileId,
    partitionPath,
    bootstrapFilePath: '',
    version: 1,
  }))
  const group = { slices, metrics: {}, numOutputFileGroups: 1, extraMetadata: null, version: 1 }
  const plan = {
    inputGroups: [group],
    strategy: { strategyClassName: STRATEGY, strategyParams: {}, version: 1 },
    extraMetadata: {},
    version: 1,
    preserveHoodieMetadata: true,
  }
  return { operationType: 'CLUSTER', clusteringPlan: plan, extraMetadata: {}, version: 1 }
}

/** Java makes an instance of the class when it carries out somebody's plan. */
const STRATEGY = 'org.apache.hudi.client.clustering.run.strategy.SparkSortAndSizeExecutionStrategy'
