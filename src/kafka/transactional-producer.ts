import { MillraceError, toMillraceError } from '../core/errors.ts'
import {
  initProducer,
  KafkaTransaction,
  PartitionLeaders,
  type Codec,
  type GroupMembership,
  type GroupOffset,
  type KafkaClient,
  type TransactionHandle,
} from '../clients/kafka/index.ts'
import { UNKNOWN } from './membership-errors.ts'
import { toBytes, type Message, type Stored } from './message.ts'
import { byKey, type Partitioner } from './partitioners.ts'

export interface TransactionalProducerOptions {
  /**
   * The same for every process that stands for the same work: whoever begins last is the one whose transactions count, and
   * the others get `FENCED`.
   */
  readonly transactionalId: string
  /** How long a transaction may stay open before Kafka aborts it, in milliseconds. Default one minute. */
  readonly timeoutMs?: number
  readonly compression?: Codec
  readonly partitioner?: Partitioner
}

/** Consumed positions, as a consumer gives them. */
export interface ConsumedOffsets {
  readonly group: string
  readonly offsets: readonly GroupOffset[]
  /** So that a member that was excluded meanwhile cannot commit. */
  readonly member: GroupMembership
}

/** What can be done inside of a transaction. */
export interface Transaction {
  /** Sends messages of any topics; resolves when the brokers have them. They count when the transaction is committed. */
  send(messages: Message | readonly Message[]): Promise<Stored[]>
  /** The consumed messages count as handled when the transaction is committed, and not before. */
  sendOffsets(consumed: ConsumedOffsets): Promise<void>
}

/**
 * Writes several topics, and consumed offsets, in one step: readers of committed messages see all of it or nothing.
 *
 *     await producer.transaction(async (transaction) => {
 *       await transaction.send(results)
 *       await transaction.sendOffsets(batch.offsets())
 *     })
 */
export class TransactionalProducer {
  readonly #client: KafkaClient
  readonly #options: Required<TransactionalProducerOptions>
  readonly #leaders: PartitionLeaders
  readonly #partitions = new Map<string, number>()
  #previous: TransactionHandle | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(client: KafkaClient, options: TransactionalProducerOptions) {
    this.#client = client
    this.#options = { timeoutMs: 60_000, compression: 'none', partitioner: byKey(), ...options }
    this.#leaders = new PartitionLeaders(client)
  }

  /**
   * Takes the id over: aborts what an earlier process left open. The first transaction does it too; but a consumer whose
   * offsets are part of what was left open cannot begin before, and so would wait until that runs into its time limit.
   */
  init(): Promise<void> {
    const turn = this.#turn.then(async () => {
      const { transactionalId, timeoutMs } = this.#options
      const identity = await initProducer(this.#client, transactionalId, timeoutMs, this.#previous)
      this.#previous = { transactionalId, ...identity }
    })
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  /**
   * Runs `act` in a transaction and commits it; an error aborts it and goes out. One after the other: a call waits for the
   * one before. An error of the commit itself leaves it open what happened (`detail.outcome` is `unknown`); `FENCED` says that
   * another process took over.
   */
  transaction<T>(act: (transaction: Transaction) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => this.#run(act))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #run<T>(act: (transaction: Transaction) => Promise<T>): Promise<T> {
    const { transactionalId, timeoutMs, compression } = this.#options
    const current = this.#previous
    const options = { codec: compression, leaders: this.#leaders, ...(current === undefined ? {} : { current }) }
    const transaction = await KafkaTransaction.begin(this.#client, transactionalId, timeoutMs, options)
    this.#previous = transaction.handle
    let result: T
    try {
      result = await act({
        send: (messages) => this.#send(transaction, Array.isArray(messages) ? messages : [messages as Message]),
        sendOffsets: ({ group, offsets, member }) => transaction.sendOffsets(group, offsets, member),
      })
      await transaction.flush()
    } catch (thrown) {
      if (transaction.hasData) await transaction.abort().catch(() => undefined)
      throw thrown
    }
    if (!transaction.hasData) return result
    try {
      await transaction.commit()
    } catch (thrown) {
      const { message, code, retry, detail } = toMillraceError(thrown)
      const said = `committing transaction ${transactionalId}: ${message}`
      throw new MillraceError(said, { code, retry, cause: thrown, detail: { ...detail, outcome: UNKNOWN } })
    }
    return result
  }

  async #send(transaction: KafkaTransaction, messages: readonly Message[]): Promise<Stored[]> {
    for (const topic of new Set(messages.map((message) => message.topic))) await this.#countPartitions(topic)
    const placed = messages.map((message, index) => ({ message, index, partition: this.#partitionOf(message) }))
    const stored: Stored[] = []
    await Promise.all(
      [...Map.groupBy(placed, ({ message, partition }) => `${message.topic}/${partition}`).values()].map(
        async (together) => {
          const [first] = together
          if (first === undefined) return
          const target = { topic: first.message.topic, partition: first.partition }
          const offset = await transaction.send(
            target,
            together.map(({ message }) => recordOf(message)),
          )
          together.forEach(({ index }, at) => {
            stored[index] = { ...target, offset: offset < 0n ? offset : offset + BigInt(at) }
          })
        },
      ),
    )
    return stored
  }

  #partitionOf(message: Message): number {
    const partitions = this.#partitions.get(message.topic) ?? 0
    const key = message.key === undefined || message.key === null ? null : toBytes(message.key)
    const choice = { message, key, partitions, waitingBytes: () => 0 }
    const partition = message.partition ?? this.#options.partitioner(choice)
    if (partition >= 0 && partition < partitions) return partition
    const said = `${message.topic} has no partition ${partition}: there are ${partitions}`
    throw new MillraceError(said, { code: 'CONFIG', detail: { topic: message.topic } })
  }

  async #countPartitions(topic: string): Promise<void> {
    if (this.#partitions.has(topic)) return
    const [info] = await this.#client.topics([topic])
    this.#partitions.set(topic, info?.partitions.length ?? 0)
  }
}

function recordOf(message: Message): Parameters<KafkaTransaction['send']>[1][number] {
  const { key, value, headers, timestampMs } = message
  return {
    key: key === undefined || key === null ? null : toBytes(key),
    value: value === null ? null : toBytes(value),
    ...(timestampMs === undefined ? {} : { timestampMs: BigInt(timestampMs) }),
    headers: Object.entries(headers ?? {}).map(([name, header]) => ({
      key: name,
      value: header === null ? null : toBytes(header),
    })),
  }
}
