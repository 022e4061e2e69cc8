import { setTimeout as sleep } from 'node:timers/promises'
import { MillraceError } from '../core/errors.ts'
import {
  BatchCursor,
  FetchSession,
  GroupMember,
  type FetchedPartition,
  type KafkaClient,
  type PartitionOf,
} from '../clients/kafka/index.ts'
import { decodeMessages, type ConsumedMessage, type MessageRun } from './consumed-message.ts'
import { ConsumerOffsets } from './consumer-offsets.ts'
import {
  contradictionOf,
  type BatchOptions,
  type ConsumerOptions,
  type ConsumerStatistics,
} from './consumer-options.ts'
import { retryTopic } from './dead-letters.ts'
import { Offers } from './offers.ts'
import { Gatherer } from './gatherer.ts'
import type { BatchHandler, EachHandler } from './handler.ts'
import { keyOf, type PartitionWork } from './partition-work.ts'
import { Worker } from './worker.ts'

type Give = (worker: Worker, work: PartitionWork, runs: readonly MessageRun[]) => void

/**
 * Reads topics as a member of a group, and hands messages to a handler. What is handled is committed, and never what is
 * not: a partition goes to another member only when its work has ended, or was abandoned without a commit.
 */
export class Consumer implements AsyncDisposable {
  readonly #client: KafkaClient
  readonly #options: ConsumerOptions
  readonly #session: FetchSession
  readonly #member: GroupMember | undefined
  readonly #works = new Map<string, PartitionWork>()
  readonly #paused = new Set<string>()
  readonly #cursor = new BatchCursor()
  readonly #stop = new AbortController()
  readonly #offsets: ConsumerOffsets
  #give: Give | undefined
  #worker: Worker | undefined
  #running: Promise<void> | undefined
  #wake: (() => void) | undefined
  #buffered = 0
  #counts = { received: 0, rebalances: 0 }
  #failure: Error | undefined
  #deadlineMs: number

  constructor(client: KafkaClient, options: ConsumerOptions) {
    const contradiction = contradictionOf(options)
    if (contradiction !== undefined) throw new MillraceError(`a Kafka consumer: ${contradiction}`, { code: 'CONFIG' })
    this.#client = client
    this.#options = options
    this.#deadlineMs = options.revokeTimeoutMs ?? 30_000
    this.#session = new FetchSession(client, { isolation: options.isolation ?? 'committed' })
    this.#member = options.partitions === undefined ? this.#makeMember() : undefined
    this.#offsets = new ConsumerOffsets(client, options, () => this.#member?.membership)
  }

  /** Handles messages one by one. Resolves when the consumer was closed; rejects with the first error that nothing mended. */
  each(handler: EachHandler): Promise<void> {
    const handle: BatchHandler = ([message], context) => (message === undefined ? undefined : handler(message, context))
    return this.#start(handle, (worker, work, runs) => worker.addEach(work, runs))
  }

  /** Handles messages of one partition together: so many, so many bytes, or what came in so long. */
  batches(handler: BatchHandler, options: BatchOptions = {}): Promise<void> {
    const gatherers = new WeakMap<PartitionWork, Gatherer>()
    return this.#start(handler, (worker, work, runs) => {
      let gatherer = gatherers.get(work)
      if (gatherer === undefined)
        gatherers.set(work, (gatherer = new Gatherer(options, (batch) => worker.addBatch(work, batch))))
      gatherer.add(runs)
    })
  }

  /** Messages one after the other. One is handled when the next is asked for; leaving the loop closes the consumer. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumedMessage> {
    const offers = new Offers()
    const running = this.each((message, { signal }) => offers.offer(message, signal))
    running.then(
      () => offers.end(),
      () => offers.end(),
    )
    try {
      for (let message = await offers.next(); message !== undefined; message = await offers.next()) yield message
      await running
    } finally {
      this.#stop.abort()
      offers.abandon()
      await this.close()
    }
  }

  /** Fetches no more of these partitions (default: of all), until `resume`. What was received is still handled. */
  pause(partitions: readonly PartitionOf[] = [...this.#works.values()]): void {
    for (const one of partitions) this.#paused.add(keyOf(one))
    this.#assignSession()
  }

  resume(partitions: readonly PartitionOf[] = [...this.#works.values()]): void {
    for (const one of partitions) this.#paused.delete(keyOf(one))
    this.#assignSession()
  }

  /** Partitions that this consumer has now. */
  get assigned(): readonly PartitionOf[] {
    return [...this.#works.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  get statistics(): ConsumerStatistics {
    const newestMs = this.#worker?.newestMs
    const lag = [...this.#works].map(([key, { endOffset: end, tracker }]): [string, bigint] => [
      key,
      end > tracker.position ? end - tracker.position : 0n,
    ])
    return {
      ...this.#counts,
      handled: this.#worker?.handled ?? 0,
      deadLettered: this.#worker?.deadLettered ?? 0,
      bufferedBytes: this.#buffered,
      lag: new Map(lag),
      freshnessMs: newestMs === undefined ? undefined : Date.now() - newestMs,
    }
  }

  /**
   * Begins nothing more, waits for handlers until the deadline (milliseconds; default `revokeTimeoutMs`), commits and
   * leaves the group.
   */
  async close({ deadlineMs = this.#deadlineMs }: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#deadlineMs = deadlineMs
    this.#stop.abort()
    this.#wake?.()
    await this.#running?.catch(() => undefined)
    await this.#session.close()
    await this.#client.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #start(handler: BatchHandler, give: Give): Promise<void> {
    if (this.#running !== undefined)
      throw new MillraceError('a Kafka consumer has one handler; make another consumer', { code: 'CONFIG' })
    this.#worker = new Worker(this.#options, handler, {
      offsets: this.#offsets,
      stopping: this.#stop.signal,
      askNow: async () => this.#member?.askNow(),
      done: (bytes) => {
        this.#buffered -= bytes
        this.#wake?.()
      },
      failed: (error) => this.#fail(error),
    })
    this.#give = give
    return (this.#running = this.#run())
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const parts = [this.#stay(signal), this.#fetch(signal), this.#commitRegularly(signal)]
    const guarded = parts.map((part) => part.catch((thrown: unknown) => this.#fail(thrown)))
    await Promise.all(guarded)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Is a member of the group, or has the given partitions, until the end; then everything is given back. */
  async #stay(signal: AbortSignal): Promise<void> {
    if (this.#member !== undefined) return await this.#member.run(signal)
    await this.#take(this.#options.partitions ?? [])
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    await this.#giveBack([...this.#works.values()])
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    const { bufferBytes = 16 << 20 } = this.#options
    while (!signal.aborted) {
      const isIdle = [...this.#works.keys()].every((key) => this.#paused.has(key))
      if (isIdle || this.#buffered >= bufferBytes) {
        await this.#woken()
        continue
      }
      const response = await this.#session.poll(signal)
      for (const fetched of response?.partitions ?? []) this.#receive(fetched)
      response?.release()
    }
  }

  #receive(fetched: FetchedPartition): void {
    const work = this.#works.get(keyOf(fetched))
    if (work === undefined || work.isStopped) return
    // The positions were given anew while this was on its way: they are given again.
    if (fetched.from !== work.fetchAt) return this.#assignSession()
    const runs = decodeMessages(fetched, this.#cursor)
    work.fetchAt = fetched.next
    work.endOffset = this.#options.isolation === 'uncommitted' ? fetched.highWatermark : fetched.lastStableOffset
    for (const run of runs) {
      work.tracker.received(run.chunk.records.offsets, run.count)
      this.#buffered += run.bytes
      this.#counts.received += run.count
    }
    if (this.#worker !== undefined && runs.length > 0) this.#give?.(this.#worker, work, runs)
    else work.tracker.passed(fetched.next)
  }

  async #commitRegularly(signal: AbortSignal): Promise<void> {
    if ((this.#options.commit ?? 'auto') !== 'auto') return
    while (!signal.aborted) {
      await sleep(this.#options.commitIntervalMs ?? 5000, undefined, { signal }).catch(() => undefined)
      if (!signal.aborted) await this.#offsets.commit([...this.#works.values()])
    }
  }

  #makeMember(): GroupMember {
    const { group, topics, instanceId, deadLetters, ...rest } = this.#options
    const delays = deadLetters?.delaysMs ?? []
    return new GroupMember(this.#client, {
      group,
      topics: [...topics, ...topics.flatMap((topic) => delays.map((delayMs) => retryTopic(topic, delayMs)))],
      instanceId,
      sessionTimeoutMs: rest.sessionTimeoutMs ?? 45_000,
      rebalanceTimeoutMs: rest.rebalanceTimeoutMs ?? 60_000,
      heartbeatMs: rest.heartbeatMs ?? 3000,
      discoveryMs: rest.discoveryMs ?? 60_000,
      onAssigned: async (partitions, leaving) => {
        this.#counts.rebalances++
        await this.#take(partitions, leaving)
      },
      onRevoked: (partitions) => this.#giveBack(this.#worksOf(partitions)),
      onLost: (partitions) => {
        for (const work of this.#worksOf(partitions)) this.#drop(work)
        this.#assignSession()
      },
    })
  }

  async #take(partitions: readonly PartitionOf[], leaving?: AbortSignal): Promise<void> {
    const works = await this.#offsets.begin(partitions)
    if (leaving?.aborted === true) return
    for (const work of works) this.#works.set(keyOf(work), work)
    this.#assignSession()
  }

  /** Ends the work of partitions and commits it, or abandons it after the deadline. */
  async #giveBack(works: readonly PartitionWork[]): Promise<void> {
    await Promise.all(works.map((work) => work.end(this.#deadlineMs)))
    if ((this.#options.commit ?? 'auto') === 'auto') await this.#offsets.commitLast(works)
    for (const work of works) this.#drop(work)
    this.#assignSession()
  }

  #drop(work: PartitionWork): void {
    work.abandon()
    if (this.#works.get(keyOf(work)) === work) this.#works.delete(keyOf(work))
  }

  #worksOf(partitions: readonly PartitionOf[]): PartitionWork[] {
    return partitions.flatMap((one) => this.#works.get(keyOf(one)) ?? [])
  }

  #assignSession(): void {
    const active = [...this.#works].filter(([key, { isStopped }]) => !isStopped && !this.#paused.has(key))
    this.#session.assign(
      active.map(([, { topic, partition, topicId, fetchAt }]) => ({ topic, partition, topicId, offset: fetchAt })),
    )
    this.#wake?.()
  }

  async #woken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    await promise
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error))
    this.#stop.abort()
    for (const work of this.#works.values()) work.isStopped = true
    this.#wake?.()
  }
}
