import {
  KafkaAdmin,
  BatchBuilder,
  emptyParts,
  readOutcomes,
  type KafkaClient,
  type RecordOutcome,
} from '../../../clients/kafka/index.ts'
import { toMillraceError } from '../../../core/errors.ts'
import type { SinkName } from './names.ts'

/**
 * The progress topic: every transaction of a sink holds one record that says whose it is. It becomes visible with the
 * rows and only with them, so it proves afterwards what was committed, for as long as the cluster lives; the topic is
 * compacted to the newest record of each lane.
 */
const CONFIGS = {
  'cleanup.policy': 'compact',
  'segment.bytes': String(16 * 1024 * 1024),
  'segment.ms': String(24 * 3_600_000),
  'min.cleanable.dirty.ratio': '0.1',
}

export const PROGRESS_PARTITION = 0

/** Whose transaction it is. */
export interface ProgressOf extends Omit<SinkName, 'prefix'> {
  readonly lane: number
}

export interface Progress {
  readonly checkpoint: number
  readonly epoch: number
  /** Milliseconds since 1970, by the clock of the writer. */
  readonly startedAtMs: number
  readonly timeoutMs: number
}

export interface ProgressEntry extends Progress {
  readonly lane: number
  readonly outcome: RecordOutcome['outcome']
  readonly endedAtMs: number | undefined
}

/** Makes the topic when it is missing; several that try at once are as good as one. */
export async function ensureProgressTopic(client: KafkaClient, topic: string): Promise<void> {
  if (await hasTopic(client, topic)) return
  try {
    await new KafkaAdmin(client).createTopic(topic, 1, CONFIGS)
  } catch (thrown) {
    const error = toMillraceError(thrown)
    if (error.detail['kafka'] !== 'TOPIC_ALREADY_EXISTS') throw error
  }
}

export async function hasTopic(client: KafkaClient, topic: string): Promise<boolean> {
  const [found] = await client.describeTopics([topic])
  return found !== undefined && !('errorCode' in found)
}

/** The record as a batch of its own. */
export function progressBatch(of: ProgressOf, progress: Progress, nowMs: number): BatchBuilder {
  const parts = emptyParts()
  parts.key = Buffer.from(JSON.stringify([of.job, of.sink, of.topic, of.lane]))
  parts.keyTo = parts.key.length
  parts.value = Buffer.from(JSON.stringify(progress))
  parts.valueTo = parts.value.length
  parts.timestampMs = nowMs
  const builder = new BatchBuilder(200 + parts.keyTo + parts.valueTo)
  builder.add(parts)
  return builder
}

/** All that a sink's transactions have left in the topic, in its order; nothing where there is no topic. */
export async function readProgress(
  client: KafkaClient,
  progressTopic: string,
  name: SinkName,
): Promise<ProgressEntry[]> {
  if (!(await hasTopic(client, progressTopic))) return []
  const outcomes = await readOutcomes(client, { topic: progressTopic, partition: PROGRESS_PARTITION })
  return outcomes.flatMap(({ record, outcome, endedAtMs }): ProgressEntry[] => {
    const key = jsonOf(record.key)
    const value = jsonOf(record.value) as Progress | undefined
    if (!Array.isArray(key) || value === undefined) return []
    const [job, sink, topic, lane] = key as unknown[]
    if (job !== name.job || sink !== name.sink || topic !== name.topic) return []
    return [
      { ...value, lane: Number(lane), outcome, endedAtMs: endedAtMs === undefined ? undefined : Number(endedAtMs) },
    ]
  })
}

/** Somebody else may have written to the topic: what is not ours is no evidence. */
function jsonOf(bytes: Buffer | null): unknown {
  if (bytes === null) return undefined
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
