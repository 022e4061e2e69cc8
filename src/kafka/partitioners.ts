import { partitionOfKey } from '../clients/kafka/index.ts'
import type { Message } from './message.ts'

/** What a partitioner may look at. */
export interface PartitionChoice {
  readonly message: Message
  /** The key as bytes. */
  readonly key: Uint8Array | null
  /** How many partitions the topic has. */
  readonly partitions: number
  /** Bytes that wait for or are on their way to a partition. */
  waitingBytes(partition: number): number
}

/** Says which partition a message goes to, from 0. */
export type Partitioner = (choice: PartitionChoice) => number

/** Messages with a key go where the Java client sends them (murmur2), the others where `others` says. */
export function byKey(others: Partitioner = roundRobin()): Partitioner {
  return (choice) => (choice.key === null ? others(choice) : partitionOfKey(choice.partitions, choice.key))
}

/** One partition after the other, for each topic. */
export function roundRobin(): Partitioner {
  const turns = new Map<string, number>()
  return ({ message, partitions }) => {
    const turn = turns.get(message.topic) ?? 0
    turns.set(message.topic, turn + 1)
    return turn % partitions
  }
}

/** The partition for which the fewest bytes wait: a slow broker gets less. */
export function leastBytes(): Partitioner {
  const begin = roundRobin()
  return (choice) => {
    let best = begin(choice)
    for (let partition = 0; partition < choice.partitions; partition++)
      if (choice.waitingBytes(partition) < choice.waitingBytes(best)) best = partition
    return best
  }
}
