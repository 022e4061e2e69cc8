import {
  type BatchCursor,
  isNullAt,
  parseHeaders,
  RecordTarget,
  type FetchedPartition,
  type PartitionOf,
} from '../clients/kafka/index.ts'
import { ChunkJson } from './chunk-json.ts'

const CHUNK_BYTES = 1 << 20
const CHUNK_ROWS = 8192

/** Messages of one partition that were decoded together, in columns. */
export class MessageChunk {
  readonly topic: string
  readonly partition: number
  readonly records: RecordTarget
  readonly json: ChunkJson

  constructor({ topic, partition }: PartitionOf, records: RecordTarget) {
    this.topic = topic
    this.partition = partition
    this.records = records
    this.json = new ChunkJson(records)
  }
}

/** A message that was received. Key, value and headers are views into what was fetched, made when they are asked for. */
export class ConsumedMessage {
  readonly topic: string
  readonly partition: number
  readonly #chunk: MessageChunk
  readonly #row: number

  constructor(chunk: MessageChunk, row: number) {
    this.topic = chunk.topic
    this.partition = chunk.partition
    this.#chunk = chunk
    this.#row = row
  }

  get offset(): bigint {
    return this.#chunk.records.offsets[this.#row] ?? 0n
  }

  /** Milliseconds since 1970. */
  get timestampMs(): number {
    return Number(this.#chunk.records.timestamps[this.#row] ?? 0n)
  }

  /** `null`: a tombstone. */
  get value(): Buffer | null {
    const { buffer, ends, nulls } = this.#chunk.records
    if (nulls !== undefined && isNullAt({ nulls }, this.#row)) return null
    return buffer.subarray(this.#row === 0 ? 0 : (ends[this.#row - 1] ?? 0) + 1, ends[this.#row])
  }

  get key(): Buffer | null {
    const { keys } = this.#chunk.records
    if (keys === undefined || isNullAt(keys, this.#row)) return null
    return keys.bytes.subarray(this.#row === 0 ? 0 : keys.ends[this.#row - 1], keys.ends[this.#row])
  }

  /** Of several with the same name the last one counts. */
  get headers(): ReadonlyMap<string, Buffer | null> {
    const { headers } = this.#chunk.records
    if (headers === undefined) return new Map()
    const bytes = headers.bytes.subarray(this.#row === 0 ? 0 : headers.ends[this.#row - 1], headers.ends[this.#row])
    return new Map(parseHeaders(bytes).map(({ key, value }) => [key, value]))
  }

  /** The value as text; empty for a tombstone. */
  text(): string {
    return this.value?.toString('utf8') ?? ''
  }

  /** The value as JSON with exact numbers (`decodeJson`); `null` for a tombstone. */
  json(): unknown {
    return this.#chunk.json.value(this.#row)
  }
}

/** Neighbours in a chunk. They become objects when they are handled: what waits costs nothing beside its bytes. */
export class MessageRun {
  readonly chunk: MessageChunk
  readonly from: number
  readonly to: number

  constructor(chunk: MessageChunk, from: number, to: number) {
    this.chunk = chunk
    this.from = from
    this.to = to
  }

  get count(): number {
    return this.to - this.from
  }

  /** Bytes of values and keys. */
  get bytes(): number {
    const { ends, keys } = this.chunk.records
    const before = (column: Uint32Array): number => (this.from === 0 ? 0 : (column[this.from - 1] ?? 0))
    const values = (ends[this.to - 1] ?? 0) - before(ends)
    return values + (keys === undefined ? 0 : (keys.ends[this.to - 1] ?? 0) - before(keys.ends))
  }

  /** The same without what lies behind, and what lies behind. */
  split(count: number): readonly [MessageRun, MessageRun] {
    const at = this.from + count
    return [new MessageRun(this.chunk, this.from, at), new MessageRun(this.chunk, at, this.to)]
  }

  addTo(messages: ConsumedMessage[]): void {
    for (let row = this.from; row < this.to; row++) messages.push(new ConsumedMessage(this.chunk, row))
  }
}

export function messagesOf(runs: readonly MessageRun[]): ConsumedMessage[] {
  const messages: ConsumedMessage[] = []
  for (const run of runs) run.addTo(messages)
  return messages
}

/** All messages of a fetched partition. They hold on to their memory for as long as somebody holds on to them. */
export function decodeMessages(fetched: FetchedPartition, cursor: BatchCursor): MessageRun[] {
  const runs: MessageRun[] = []
  cursor.load(fetched)
  let bytes = Math.min(CHUNK_BYTES, Math.max(1024, fetched.records.length * 2))
  while (!cursor.isDone) {
    const records = new RecordTarget({
      buffer: Buffer.allocUnsafeSlow(bytes),
      rowsMax: Math.min(CHUNK_ROWS, Math.max(64, bytes >> 3)),
      separator: 0,
      isJson: false,
      keyBytesMax: Math.max(1024, bytes >> 2),
      headerBytesMax: Math.max(1024, bytes >> 2),
      keepsNulls: true,
    })
    cursor.gatherRecords(records)
    if (records.rows > 0) runs.push(new MessageRun(new MessageChunk(fetched, records), 0, records.rows))
    bytes = records.rows === 0 && !cursor.isDone ? cursor.nextValueBytes() + 1024 : CHUNK_BYTES
  }
  return runs
}
