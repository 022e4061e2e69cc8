import { MillraceError, toMillraceError } from '../core/errors.ts'
import {
  BatchBuilder,
  emptyParts,
  initProducer,
  loadCodec,
  PartitionLeaders,
  SequencedProducer,
  type Codec,
  type KafkaClient,
} from '../clients/kafka/index.ts'
import { fillParts, toBytes, type Message, type Stored } from './message.ts'
import { PartitionQueue, type ReadyBatch } from './partition-queue.ts'
import { byKey, type Partitioner } from './partitioners.ts'

export interface ProducerOptions {
  /** Default: none. */
  readonly compression?: Codec
  /** Largest batch before compression, in bytes. Default 512 KiB. */
  readonly batchBytes?: number
  /** Most messages of a batch. Default: as many as fit. */
  readonly batchMessages?: number
  /** How long the first message of a batch waits for others, in milliseconds. Default 0: no longer than this turn. */
  readonly lingerMs?: number
  /** Bytes that may wait for the brokers; then `send` and `enqueue` wait. Default 32 MiB. */
  readonly bufferBytes?: number
  /** How long a batch is tried while brokers are away, in milliseconds. Default two minutes. */
  readonly deliveryTimeoutMs?: number
  /** Default: by the key as the Java client does, one after the other without one. */
  readonly partitioner?: Partitioner
  /** Told of every message of `enqueue` that could not be delivered. Without it such an error rejects the next `flush`. */
  readonly onError?: (error: MillraceError, count: number, topic: string) => void
}

export interface ProducerStatistics {
  readonly messages: number
  readonly bytes: number
  readonly batches: number
  readonly failed: number
  /** Not acknowledged yet. */
  readonly waitingBytes: number
}

/**
 * Sends messages in batches. Every message is acknowledged by all in-sync replicas, and a batch that is sent again after a
 * lost answer is recognised by the broker: within the delivery timeout nothing is doubled, and a partition keeps the order.
 */
export class Producer implements AsyncDisposable {
  readonly #client: KafkaClient
  readonly #options: Required<Omit<ProducerOptions, 'onError'>> & Pick<ProducerOptions, 'onError'>
  readonly #leaders: PartitionLeaders
  readonly #queues = new Map<string, Queue[]>()
  readonly #counting = new Map<string, Promise<Queue[]>>()
  readonly #parts = emptyParts()
  readonly #free: BatchBuilder[] = []
  readonly #sending = new Set<Promise<void>>()
  readonly #adding = new Set<Promise<void>>()
  #sequenced: Promise<SequencedProducer> | undefined
  #due: NodeJS.Immediate | NodeJS.Timeout | undefined
  #waiting = 0
  #roomWaiters: (() => void)[] = []
  #unreported: MillraceError | undefined
  #isClosed = false
  #statistics = { messages: 0, bytes: 0, batches: 0, failed: 0 }

  constructor(client: KafkaClient, options: ProducerOptions = {}) {
    this.#client = client
    this.#options = {
      compression: 'none',
      batchBytes: 512 * 1024,
      batchMessages: Number.MAX_SAFE_INTEGER,
      lingerMs: 0,
      bufferBytes: 32 << 20,
      deliveryTimeoutMs: 120_000,
      partitioner: byKey(),
      ...options,
    }
    this.#leaders = new PartitionLeaders(client)
  }

  get statistics(): ProducerStatistics {
    return { ...this.#statistics, waitingBytes: this.#waiting }
  }

  /** Sends one message; resolves when the brokers have it. */
  async send(message: Message): Promise<Stored> {
    const { promise, resolve, reject } = Promise.withResolvers<Stored>()
    const adding = this.#add(message, { resolve, reject })
    if (adding !== undefined) await adding
    return await promise
  }

  /** Sends many; resolves when the brokers have all of them. Rejects with the first error; others may be stored. */
  async sendAll(messages: readonly Message[]): Promise<Stored[]> {
    return await Promise.all(messages.map((message) => this.send(message)))
  }

  /**
   * Sends without waiting for the brokers. Returns nothing, or a promise to wait for when the memory is full or the topic
   * is new. Errors are told to `onError`.
   */
  enqueue(message: Message): Promise<void> | undefined {
    return this.#add(message, undefined)?.catch((thrown: unknown) => {
      this.#failed(toMillraceError(thrown), 1, message.topic, [])
    })
  }

  /** Resolves when everything is acknowledged; rejects when a message of `enqueue` was lost and nobody was told. */
  async flush(): Promise<void> {
    clearTimeout(this.#due as NodeJS.Timeout)
    clearImmediate(this.#due as NodeJS.Immediate)
    this.#due = undefined
    while (this.#adding.size > 0 || this.#drain() > 0) await Promise.race([...this.#adding, ...this.#sending])
    const error = this.#unreported
    this.#unreported = undefined
    if (error !== undefined) throw error
  }

  /** Flushes, and takes no more. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #add(message: Message, waiter: Waiter | undefined): Promise<void> | undefined {
    if (this.#isClosed) throw new MillraceError('the Kafka producer was closed', { code: 'CONFIG' })
    const queues = this.#queues.get(message.topic)
    if (queues !== undefined && this.#waiting < this.#options.bufferBytes) {
      this.#put(queues, message, waiter)
      return undefined
    }
    const adding = this.#addLater(message, waiter)
    const settled = adding.catch(() => undefined).finally(() => this.#adding.delete(settled))
    this.#adding.add(settled)
    return adding
  }

  async #addLater(message: Message, waiter: Waiter | undefined): Promise<void> {
    const queues = await this.#queuesOf(message.topic)
    while (this.#waiting >= this.#options.bufferBytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#roomWaiters.push(resolve)
      await promise
    }
    this.#put(queues, message, waiter)
  }

  #put(queues: Queue[], message: Message, waiter: Waiter | undefined): void {
    const key = message.key === undefined || message.key === null ? null : toBytes(message.key)
    const partition = message.partition ?? this.#choose(message, key, queues)
    const queue = queues[partition]
    if (queue === undefined) {
      const said = `${message.topic} has no partition ${partition}: there are ${queues.length}`
      throw new MillraceError(said, { code: 'CONFIG', detail: { topic: message.topic } })
    }
    fillParts(this.#parts, message, key, Date.now())
    const bytes = queue.add(this.#parts, waiter)
    this.#waiting += bytes
    this.#statistics.messages++
    this.#statistics.bytes += bytes
    this.#drainSoon()
  }

  #choose(message: Message, key: Uint8Array | null, queues: Queue[]): number {
    const waitingBytes = (partition: number): number => queues[partition]?.waitingBytes ?? 0
    return this.#options.partitioner({ message, key, partitions: queues.length, waitingBytes })
  }

  #queuesOf(topic: string): Promise<Queue[]> {
    const counting = this.#counting.get(topic) ?? this.#count(topic).finally(() => this.#counting.delete(topic))
    this.#counting.set(topic, counting)
    return counting
  }

  async #count(topic: string): Promise<Queue[]> {
    await loadCodec(this.#options.compression)
    const known = this.#queues.get(topic)
    if (known !== undefined) return known
    const [info] = await this.#client.topics([topic])
    const { batchMessages, batchBytes } = this.#options
    const queues = (info?.partitions ?? []).map(
      ({ partition }) =>
        new PartitionQueue<Waiter>(
          { topic, partition },
          batchMessages,
          () => this.#free.pop() ?? new BatchBuilder(batchBytes),
        ),
    )
    this.#queues.set(topic, queues)
    return queues
  }

  #drainSoon(): void {
    if (this.#due !== undefined) return
    const { lingerMs } = this.#options
    const drain = (): void => {
      this.#due = undefined
      this.#drain()
    }
    this.#due = lingerMs === 0 ? setImmediate(drain) : setTimeout(drain, lingerMs)
  }

  /** Returns how many batches are on their way. */
  #drain(): number {
    for (const queues of this.#queues.values()) for (const queue of queues) this.#sendNext(queue)
    return this.#sending.size
  }

  #sendNext(queue: Queue): void {
    const batch = queue.take()
    if (batch === undefined) return
    const sending = this.#deliver(queue, batch).finally(() => {
      this.#sending.delete(sending)
      this.#sendNext(queue)
    })
    this.#sending.add(sending)
  }

  async #deliver(queue: Queue, batch: ReadyBatch<Waiter>): Promise<void> {
    const { builder, waiters, bytes } = batch
    const count = builder.count
    const started = (this.#sequenced ??= this.#start())
    try {
      const producer = await started
      const offset = await producer.sendBatch(queue.target, builder)
      this.#statistics.batches++
      for (const { index, waiter } of waiters)
        waiter.resolve({ ...queue.target, offset: offset < 0n ? offset : offset + BigInt(index) })
    } catch (thrown) {
      // The sequence has a gap now, or nobody knows: what follows begins a new one.
      if (this.#sequenced === started) this.#sequenced = undefined
      this.#failed(toMillraceError(thrown), count, queue.target.topic, waiters)
    }
    if (builder.capacity === this.#options.batchBytes && this.#free.length < 64) {
      builder.reset()
      this.#free.push(builder)
    }
    queue.settled(bytes)
    this.#waiting -= bytes
    if (this.#waiting >= this.#options.bufferBytes) return
    const waiting = this.#roomWaiters
    this.#roomWaiters = []
    for (const wake of waiting) wake()
  }

  #failed(error: MillraceError, count: number, topic: string, waiters: ReadyBatch<Waiter>['waiters']): void {
    this.#statistics.failed += count
    for (const { waiter } of waiters) waiter.reject(error)
    const unwatched = count - waiters.length
    if (unwatched === 0) return
    if (this.#options.onError === undefined) this.#unreported ??= error
    else this.#options.onError(error, unwatched, topic)
  }

  async #start(): Promise<SequencedProducer> {
    const identity = await initProducer(this.#client, null, 60_000)
    const { compression, deliveryTimeoutMs } = this.#options
    return new SequencedProducer(this.#client, identity, { codec: compression, deliveryTimeoutMs }, this.#leaders)
  }
}

interface Waiter {
  resolve(stored: Stored): void
  reject(error: MillraceError): void
}

type Queue = PartitionQueue<Waiter>
