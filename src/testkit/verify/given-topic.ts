import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { KafkaAdmin, type KafkaClient } from '../../clients/kafka/index.ts'
import { openClient } from '../../connectors/kafka/connect.ts'
import type { KafkaSinkOptions } from '../../connectors/kafka/sink/options.ts'
import type { SinkStep } from '../../plan/plan.ts'
import { readTopic } from '../read-topic.ts'
import { notEmpty, ofTheUser } from './refused-target.ts'
import { sealOptions } from './sealed-options.ts'
import { settled, type GivenTarget } from './scratch.ts'

/** A topic of the sink's cluster. What the sink notes about its transactions goes to a topic that is deleted behind it. */
export async function openGivenTopic(step: SinkStep, topic: string, baseDirectory: string): Promise<GivenTarget> {
  const { options, environment, parsed } = await sealOptions(step, baseDirectory)
  const own = parsed as KafkaSinkOptions
  if (topic === own.topic) throw ofTheUser(step, topic)
  await using stack = new AsyncDisposableStack()
  const client = stack.use(openClient(own))
  const admin = new KafkaAdmin(client)
  const [described] = await client.topics([topic])
  const partitions = (described?.partitions ?? []).map(({ partition }) => ({ topic, partition }))
  const [first, last] = [
    await client.listOffsets(partitions, 'earliest'),
    await client.listOffsets(partitions, 'latest'),
  ]
  if (first.some((offset, partition) => offset !== last[partition])) throw notEmpty(step, topic)
  const progressTopic = `${topic}-progress-${randomUUID().slice(0, 8)}`
  stack.defer(async () => {
    const ends = await client.listOffsets(partitions, 'latest')
    for (const [index, at] of partitions.entries()) await admin.deleteRecords(at, ends[index] ?? 0n)
    await deleteIfThere(client, progressTopic)
  })
  const cleanup = stack.move()
  return {
    place: `the topic ${topic}`,
    next: async () => {
      const from = await client.listOffsets(partitions, 'latest')
      return {
        options: {
          ...options,
          topic,
          progressTopic,
          ...(own.schemaFile === undefined ? {} : { schemaFile: path.resolve(baseDirectory, own.schemaFile) }),
        },
        environment,
        lines: () => settled(() => linesOf(client, topic, from)),
        [Symbol.asyncDispose]: async () => undefined,
      }
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  }
}

/** Bytes as they are: values may be binary. */
async function linesOf(client: KafkaClient, topic: string, from: readonly bigint[]): Promise<string[]> {
  const records = await readTopic(client, topic, from)
  const text = (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : Buffer.from(bytes).toString('latin1')
  return records.map(({ key, value, headers }) => JSON.stringify([text(key), text(value), headers]))
}

async function deleteIfThere(client: KafkaClient, topic: string): Promise<void> {
  const [described] = await client.describeTopics([topic])
  if (described !== undefined && !('errorCode' in described)) await new KafkaAdmin(client).deleteTopic(topic)
}
