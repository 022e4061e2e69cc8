import {
  BatchCursor,
  FetchSession,
  KafkaAdmin,
  KafkaClient,
  RecordTarget,
  parseHeaders,
  isNullAt,
  type KafkaHeader,
} from '../clients/kafka/index.ts'

/** A record as a reader of committed data sees it. */
export interface SeenRecord {
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly KafkaHeader[]
}

/** A topic of a test's own, and a reader that knows nothing of the sink. */
export class KafkaTarget implements AsyncDisposable {
  readonly client: KafkaClient
  readonly topic: string
  readonly partitions: number
  static #count = 0

  private constructor(client: KafkaClient, topic: string, partitions: number) {
    this.client = client
    this.topic = topic
    this.partitions = partitions
  }

  static async create(
    bootstrap: string,
    partitions: number,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<KafkaTarget> {
    const client = new KafkaClient({ brokers: [bootstrap] })
    const topic = `sink-${process.pid}-${Date.now().toString(36)}-${++KafkaTarget.#count}`
    await new KafkaAdmin(client).createTopic(topic, partitions, configs)
    return new KafkaTarget(client, topic, partitions)
  }

  /** Everything that readers of committed records see now, partition by partition. */
  async read(): Promise<SeenRecord[]> {
    const at = Array.from({ length: this.partitions }, (_, partition) => ({ topic: this.topic, partition }))
    const ends = await this.client.listOffsets(at, 'latest')
    const seen: SeenRecord[] = []
    for (const [partition, end] of ends.entries())
      if (end > 0n) seen.push(...(await this.#readPartition(partition, end)))
    return seen
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new KafkaAdmin(this.client).deleteTopic(this.topic)
    await this.client.close()
  }

  async #readPartition(partition: number, end: bigint): Promise<SeenRecord[]> {
    const [info] = await this.client.topics([this.topic])
    await using session = new FetchSession(this.client)
    session.assign([{ topic: this.topic, topicId: info?.topicId ?? '', partition, offset: 0n }])
    const seen: SeenRecord[] = []
    const cursor = new BatchCursor()
    for (let next = 0n; next < end;) {
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
}

function gather(cursor: BatchCursor, partition: number): SeenRecord[] {
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
      key: keys === undefined || isNullAt(keys, row) ? null : slice(keys.bytes, keys.ends, row, 0).toString(),
      value:
        nulls !== undefined && isNullAt({ nulls }, row) ? null : slice(target.buffer, target.ends, row, 1).toString(),
      headers: headers === undefined ? [] : parseHeaders(slice(headers.bytes, headers.ends, row, 0)),
    }
  })
}
