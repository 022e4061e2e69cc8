import {
  type BatchCursor,
  isNullAt,
  parseHeaders,
  RecordTarget,
  type FetchedPartition,
} from '../clients/kafka/index.ts'
import { decodeJson } from '../core/exact-json.ts'

const CHUNK_BYTES = 1 << 20
const CHUNK_ROWS = 8192

/** A message that was received. Key, value and headers are views into what was fetched, made when they are asked for. */
export class ConsumedMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly #chunk: RecordTarget
  readonly #row: number

  constructor(topic: string, partition: number, chunk: RecordTarget, row: number) {
    this.topic = topic
    this.partition = partition
    this.offset = chunk.offsets[row] ?? 0n
    this.#chunk = chunk
    this.#row = row
  }

  /** Milliseconds since 1970. */
  get timestampMs(): number {
    return Number(this.#chunk.timestamps[this.#row] ?? 0n)
  }

  /** `null`: a tombstone. */
  get value(): Buffer | null {
    const { buffer, ends, nulls } = this.#chunk
    if (nulls !== undefined && isNullAt({ nulls }, this.#row)) return null
    return buffer.subarray(this.#row === 0 ? 0 : (ends[this.#row - 1] ?? 0) + 1, ends[this.#row])
  }

  get key(): Buffer | null {
    const { keys } = this.#chunk
    if (keys === undefined || isNullAt(keys, this.#row)) return null
    return keys.bytes.subarray(this.#row === 0 ? 0 : keys.ends[this.#row - 1], keys.ends[this.#row])
  }

  /** Of several with the same name the last one counts. */
  get headers(): ReadonlyMap<string, Buffer | null> {
    const { headers } = this.#chunk
    if (headers === undefined) return new Map()
    const bytes = headers.bytes.subarray(this.#row === 0 ? 0 : headers.ends[this.#row - 1], headers.ends[this.#row])
    return new Map(parseHeaders(bytes).map(({ key, value }) => [key, value]))
  }

  /** Bytes of the value and the key. */
  get bytes(): number {
    const { ends, keys } = this.#chunk
    const start = this.#row === 0 ? 0 : (ends[this.#row - 1] ?? 0) + 1
    const keyStart = this.#row === 0 ? 0 : (keys?.ends[this.#row - 1] ?? 0)
    return (ends[this.#row] ?? 0) - start + (keys?.ends[this.#row] ?? 0) - keyStart
  }

  /** The value as text; empty for a tombstone. */
  text(): string {
    return this.value?.toString('utf8') ?? ''
  }

  /** The value as JSON with exact numbers (`decodeJson`); `null` for a tombstone. */
  json(): unknown {
    const value = this.value
    return value === null ? null : decodeJson(value)
  }
}

/** All messages of a fetched partition. They hold on to their memory for as long as somebody holds on to them. */
export function decodeMessages(fetched: FetchedPartition, cursor: BatchCursor): ConsumedMessage[] {
  const { topic, partition } = fetched
  const messages: ConsumedMessage[] = []
  cursor.load(fetched)
  let bytes = Math.min(CHUNK_BYTES, Math.max(1024, fetched.records.length * 2))
  while (!cursor.isDone) {
    const chunk = new RecordTarget({
      buffer: Buffer.allocUnsafeSlow(bytes),
      rowsMax: CHUNK_ROWS,
      separator: 0,
      isJson: false,
      keyBytesMax: Math.max(1024, bytes >> 2),
      headerBytesMax: Math.max(1024, bytes >> 2),
      keepsNulls: true,
    })
    cursor.gatherRecords(chunk)
    for (let row = 0; row < chunk.rows; row++) messages.push(new ConsumedMessage(topic, partition, chunk, row))
    bytes = chunk.rows === 0 && !cursor.isDone ? cursor.nextValueBytes() + 1024 : CHUNK_BYTES
  }
  return messages
}
