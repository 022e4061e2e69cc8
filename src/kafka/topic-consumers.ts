import { MillraceError } from '../core/errors.ts'
import type { BatchOptions, ConsumerOptions, ConsumerStatistics } from './consumer-options.ts'
import type { Consumer } from './consumer.ts'
import { retryTopic } from './dead-letters.ts'
import type { BatchHandler, EachHandler } from './handler.ts'
import { runTogether } from './run-together.ts'

export interface TopicConsumersOptions extends Omit<ConsumerOptions, 'group' | 'topics' | 'partitions'> {
  /** One group that reads all topics, or the group of each topic. */
  readonly group: string | ((topic: string) => string)
}

/**
 * Several topics, each with a handler of its own. Topics that share a group share a consumer, and with it its
 * `concurrency`; consumers run beside each other. The first error, and `close`, end all of them in order.
 */
export class TopicConsumers implements AsyncDisposable {
  readonly #open: (options: ConsumerOptions) => Consumer
  readonly #options: TopicConsumersOptions
  readonly #stop = new AbortController()
  #consumers: readonly Consumer[] | undefined

  constructor(open: (options: ConsumerOptions) => Consumer, options: TopicConsumersOptions) {
    this.#open = open
    this.#options = options
  }

  /** Handles the messages of each topic one by one. Resolves when all was closed; rejects with the first error. */
  each(handlers: Readonly<Record<string, EachHandler>>): Promise<void> {
    const handlerOf = this.#byTopic(handlers)
    return this.#run(Object.keys(handlers), (consumer) =>
      consumer.each((message, context) => handlerOf(message.topic)(message, context)),
    )
  }

  /** Handles messages of one partition together, as `Consumer.batches` does. */
  batches(handlers: Readonly<Record<string, BatchHandler>>, options: BatchOptions = {}): Promise<void> {
    const handlerOf = this.#byTopic(handlers)
    return this.#run(Object.keys(handlers), (consumer) =>
      consumer.batches((messages, context) => handlerOf(messages[0]?.topic ?? '')(messages, context), options),
    )
  }

  /** Of all consumers together; the oldest freshness. */
  get statistics(): ConsumerStatistics {
    const all = (this.#consumers ?? []).map((consumer) => consumer.statistics)
    const sum = (of: (one: ConsumerStatistics) => number): number => all.reduce((total, one) => total + of(one), 0)
    const ages = all.flatMap(({ freshnessMs }) => freshnessMs ?? [])
    return {
      received: sum(({ received }) => received),
      handled: sum(({ handled }) => handled),
      deadLettered: sum(({ deadLettered }) => deadLettered),
      rebalances: sum(({ rebalances }) => rebalances),
      bufferedBytes: sum(({ bufferedBytes }) => bufferedBytes),
      lag: new Map(all.flatMap(({ lag }) => [...lag])),
      freshnessMs: ages.length === 0 ? undefined : Math.max(...ages),
    }
  }

  /** As `Consumer.close`, for all of them. */
  async close(options?: Parameters<Consumer['close']>[0]): Promise<void> {
    this.#stop.abort()
    await Promise.all((this.#consumers ?? []).map((consumer) => consumer.close(options)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run(topics: readonly string[], start: (consumer: Consumer) => Promise<void>): Promise<void> {
    if (this.#consumers !== undefined)
      throw new MillraceError('consumers of topics are given their handlers once; make others', { code: 'CONFIG' })
    const { group, ...options } = this.#options
    const byGroup = Map.groupBy(topics, (topic) => (typeof group === 'string' ? group : group(topic)))
    const consumers = [...byGroup].map(([name, some]) => this.#open({ ...options, group: name, topics: some }))
    this.#consumers = consumers
    const runs = consumers.map((consumer) => ({ consumer, run: () => start(consumer) }))
    await runTogether(runs, this.#stop.signal)
  }

  /** Messages that wait for another try come from topics of their own, and go to the handler of their first one. */
  #byTopic<H>(handlers: Readonly<Record<string, H>>): (topic: string) => H {
    const delays = this.#options.deadLetters?.delaysMs ?? []
    const byTopic = new Map<string, H>()
    for (const [topic, handler] of Object.entries(handlers)) {
      for (const name of [topic, ...delays.map((delayMs) => retryTopic(topic, delayMs))]) byTopic.set(name, handler)
    }
    return (topic) => {
      const handler = byTopic.get(topic)
      if (handler === undefined) throw new MillraceError(`topic ${topic} has no handler`, { code: 'CONFIG' })
      return handler
    }
  }
}
