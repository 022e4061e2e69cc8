import type { Producer } from './producer.ts'
import type { RetryOptions } from './retries.ts'
import type { TransactionalProducer } from './transactional-producer.ts'

export interface DeadLetterOptions {
  /**
   * Sends the letters. A transactional producer commits a letter and the offset of its message in one transaction, so that
   * each has one letter: with `commit` `auto` or `none`, and in the order of partitions.
   */
  readonly producer: Pick<Producer, 'send'> | Pick<TransactionalProducer, 'transaction'>
  /** Topic for messages that were given up. Default: the message's first topic and `.dlq`. */
  readonly topic?: string
  /**
   * Waits between further tries, in milliseconds: a message that fails goes to `<topic>.retry.<wait>` first, which this
   * consumer reads too. Its partition goes on meanwhile, so the order is not kept.
   */
  readonly delaysMs?: readonly number[]
}

export interface ConsumerOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Reads these partitions and is no member of the group; the group only keeps the offsets. */
  readonly partitions?: readonly { readonly topic: string; readonly partition: number }[]
  /** Static membership: a restart within the session timeout causes no rebalance. */
  readonly instanceId?: string
  /** Where partitions begin that the group has no offset for. Default: earliest. */
  readonly start?: 'earliest' | 'latest'
  /** Default: committed. */
  readonly isolation?: 'committed' | 'uncommitted'
  /**
   * `auto`: what was handled is committed every `commitIntervalMs`, when a partition goes and at the end. `manual`: only by
   * `commit()` of a handler. `none`: by transactions, with `offsets()`. Default: auto.
   */
  readonly commit?: 'auto' | 'manual' | 'none'
  /** Default 5 s. */
  readonly commitIntervalMs?: number
  /** How many messages (or batches) are handled at the same time. Default 1. */
  readonly concurrency?: number
  /** What is handled in order, one after the other. Default: each partition. */
  readonly order?: 'partition' | 'key'
  /** Tries before a message has failed, one after the other. Default: one try. */
  readonly retry?: RetryOptions
  /** Without it the consumer ends with the error of the first message that has failed. */
  readonly deadLetters?: DeadLetterOptions
  /** Bytes of messages that are received and not handled; then nothing is fetched. Default 16 MiB. */
  readonly bufferBytes?: number
  /** Default 45 s. */
  readonly sessionTimeoutMs?: number
  /** Default one minute. */
  readonly rebalanceTimeoutMs?: number
  /** Default 3 s. */
  readonly heartbeatMs?: number
  /** How often new partitions are looked for. Default one minute. */
  readonly discoveryMs?: number
  /** How long a handler may go on when its partition is taken away. Then its signal fires, and its work is not committed. Default 30 s. */
  readonly revokeTimeoutMs?: number
}

export interface BatchOptions {
  /** Most messages of a batch. Default 1000. */
  readonly messages?: number
  /** Bytes after which a batch is complete. Default 1 MiB. */
  readonly bytes?: number
  /** How long the first message waits for others, in milliseconds. Default 100. */
  readonly waitMs?: number
}

export interface ConsumerStatistics {
  readonly received: number
  readonly handled: number
  readonly deadLettered: number
  readonly rebalances: number
  /** Bytes received and not handled. */
  readonly bufferedBytes: number
  /** Messages behind the end of each partition, by `topic/partition`, not handled ones included. */
  readonly lag: ReadonlyMap<string, bigint>
  /** Milliseconds since the last handled message was written; undefined before the first one. */
  readonly freshnessMs: number | undefined
}

/** What options say against each other; undefined when nothing. */
export function contradictionOf({ commit, order, deadLetters }: ConsumerOptions): string | undefined {
  const isByKey = order === 'key'
  if (commit === 'none' && isByKey)
    return "with order 'key' a transaction would commit offsets of messages that are not handled yet: use order 'partition'"
  if (deadLetters === undefined || 'send' in deadLetters.producer) return undefined
  if (commit === 'manual' || isByKey)
    return "dead letters by a transactional producer commit offsets: use commit 'auto' or 'none', and order 'partition'"
  return undefined
}
