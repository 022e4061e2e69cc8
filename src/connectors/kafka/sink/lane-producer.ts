import type { LaneContext } from '../../../core/context.ts'
import {
  BatchBuilder,
  initProducer,
  KafkaAdmin,
  loadCodec,
  PartitionLeaders,
  SequencedProducer,
  type KafkaClient,
} from '../../../clients/kafka/index.ts'
import { sinkName, type SinkName } from './names.ts'
import type { KafkaSinkOptions } from './options.ts'
import { neededTimeoutMs } from './timeouts.ts'

/** Small batches cost the brokers more than the memory is worth. */
const BATCH_BYTES_MIN = 16 * 1024

/** What the checkpoints of one lane share: connections, the shape of the topic, memory and its limit. */
export class LaneProducer {
  readonly client: KafkaClient
  readonly options: KafkaSinkOptions
  readonly name: SinkName
  readonly lane: number
  readonly transactionTimeoutMs: number
  readonly leaders: PartitionLeaders
  /** Without transactions: one producer for all checkpoints until something goes wrong. */
  #plain: Promise<SequencedProducer> | undefined
  readonly #context: LaneContext
  readonly #free: BatchBuilder[] = []
  #batchBytesMax: number | undefined
  #builderBytes = 0
  /** Bytes that the brokers have not acknowledged. */
  #waiting = 0
  #wake: (() => void) | undefined
  #turn: number

  constructor(options: KafkaSinkOptions, client: KafkaClient, context: LaneContext) {
    this.options = options
    this.client = client
    this.#context = context
    this.name = sinkName(options, context)
    this.lane = context.lane
    this.transactionTimeoutMs = options.transactionTimeout ?? neededTimeoutMs(context.times)
    this.leaders = new PartitionLeaders(client)
    this.#turn = context.lane
  }

  now(): number {
    return this.#context.clock.now()
  }

  /** The producer of at-least-once delivery; undefined where transactions are used. */
  get plain(): Promise<SequencedProducer> | undefined {
    if (this.#context.delivery === 'two-phase') return undefined
    return (this.#plain ??= this.#startPlain())
  }

  /** After an error its sequence numbers have gaps. */
  dropPlain(): void {
    this.#plain = undefined
  }

  /** Lanes and checkpoints begin at different partitions. */
  nextPartition(): number {
    return this.#turn++
  }

  /** How many partitions the topic has now. */
  async partitions(): Promise<number> {
    const { topic, compression, batchBytes, bufferBytes } = this.options
    await loadCodec(compression)
    const [found] = await this.client.topics([topic])
    const count = found?.partitions.length ?? 1
    this.#batchBytesMax ??= await this.#topicBatchBytes()
    const share = Math.floor(bufferBytes / (2 * count))
    const bytes = Math.min(batchBytes, this.#batchBytesMax, Math.max(BATCH_BYTES_MIN, share))
    if (bytes !== this.#builderBytes) this.#free.length = 0
    this.#builderBytes = bytes
    return count
  }

  takeBuilder(): BatchBuilder {
    return this.#free.pop() ?? new BatchBuilder(this.#builderBytes)
  }

  sent(builder: BatchBuilder): void {
    this.#waiting += builder.capacity
  }

  settled(builder: BatchBuilder): void {
    this.#waiting -= builder.capacity
    builder.reset()
    if (builder.capacity === this.#builderBytes) this.#free.push(builder)
    if (this.#waiting <= this.options.bufferBytes) this.#wake?.()
  }

  /** Resolves when more may be sent. */
  async room(): Promise<void> {
    while (this.#waiting > this.options.bufferBytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
  }

  async #startPlain(): Promise<SequencedProducer> {
    const identity = await initProducer(this.client, null, 60_000)
    return new SequencedProducer(this.client, identity, { codec: this.options.compression }, this.leaders)
  }

  async #topicBatchBytes(): Promise<number> {
    const configs = await new KafkaAdmin(this.client).topicConfigs(this.options.topic, ['max.message.bytes'])
    return Number(configs.get('max.message.bytes') ?? Number.MAX_SAFE_INTEGER)
  }
}
