import {
  BatchCursor,
  FetchSession,
  RecordTarget,
  isNullAt,
  parseHeaders,
  type KafkaClient,
  type KafkaHeader,
} from '../clients/kafka/index.ts'

/** A record as a reader of committed data gets it. */
export interface TopicRecord {
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly KafkaHeader[]
}

/** The committed records of a topic, partition by partition: from these offsets to the ends that there are now. */
export async function readTopic(client: KafkaClient, topic: string, from: readonly bigint[]): Promise<TopicRecord[]> {
  const ends = await client.listOffsets(
    from.map((_, partition) => ({ topic, partition })),
    'latest',
  )
  const seen: TopicRecord[] = []
  for (const [partition, end] of ends.entries())
    seen.push(...(await readPartition(client, { topic, partition }, from[partition] ?? 0n, end)))
  return seen
}

async function readPartition(
  client: KafkaClient,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  offset: bigint,
  end: bigint,
): Promise<TopicRecord[]> {
  const seen: TopicRecord[] = []
  if (offset >= end) return seen
  const [info] = await client.topics([topic])
  await using session = new FetchSession(client)
  session.assign([{ topic, topicId: info?.topicId ?? '', partition, offset }])
  const cursor = new BatchCursor()
  for (let next = offset; next < end;) {
    const response = await session.poll()
    const [fetched] = response?.partitions ?? []
    if (fetched === undefined) break
    cursor.load(fetched, end)
    while (!cursor.isDone) seen.push(...gather(cursor, partition))
    next = fetched.next
    response?.release()
  }
  return seen
}

function gather(cursor: BatchCursor, partition: number): TopicRecord[] {
  const columns = { keyBytesMax: 1 << 22, headerBytesMax: 1 << 22, keepsNulls: true }
  const target = new RecordTarget({
    buffer: Buffer.alloc(8 << 20),
    rowsMax: 100_000,
    separator: 0,
    isJson: false,
    ...columns,
  })
  cursor.gatherRecords(target)
  const slice = (bytes: Buffer, ends: Uint32Array, row: number, gap: number): Buffer =>
    bytes.subarray(row === 0 ? 0 : (ends[row - 1] ?? 0) + gap, ends[row])
  return Array.from({ length: target.rows }, (_, row) => {
    const { keys, headers, nulls } = target
    return {
      partition,
      offset: target.offsets[row] ?? 0n,
      timestampMs: target.timestamps[row] ?? 0n,
      key: keys === undefined || isNullAt(keys, row) ? null : slice(keys.bytes, keys.ends, row, 0),
      value: nulls !== undefined && isNullAt({ nulls }, row) ? null : slice(target.buffer, target.ends, row, 1),
      headers: headers === undefined ? [] : parseHeaders(slice(headers.bytes, headers.ends, row, 0)),
    }
  })
}
