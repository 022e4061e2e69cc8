import type { KafkaApi } from '../api.ts'

/** What the coordinator says of a transactional id; states as in Kafka's TransactionState. */
export interface ListedTransaction {
  readonly transactionalId: string
  readonly producerId: bigint
  /** `Ongoing`, `PrepareCommit`, `CompleteCommit`, … */
  readonly state: string
}

/** ListTransactions v0 (Kafka 3.0): the ids that this broker coordinates, in these states; none named: in all. */
export const listTransactions: KafkaApi<
  readonly string[],
  { readonly errorCode: number; readonly transactions: ListedTransaction[] }
> = {
  name: 'ListTransactions',
  key: 66,
  version: 0,
  write(writer, states) {
    writer.array(states, (state) => writer.string(state))
    writer.array([], () => undefined).tags()
  },
  read(reader) {
    reader.int32()
    const errorCode = reader.int16()
    reader.array(() => reader.string())
    const transactions = reader.array(() => {
      const listed = { transactionalId: reader.string(), producerId: reader.int64(), state: reader.string() }
      reader.tags()
      return listed
    })
    return { errorCode, transactions }
  },
}

export interface DescribedTransaction extends ListedTransaction {
  readonly errorCode: number
  readonly producerEpoch: number
  readonly timeoutMs: number
  /** Milliseconds since 1970; -1 when none is open. */
  readonly startedAtMs: bigint
  readonly topics: readonly string[]
}

/** DescribeTransactions v0 (Kafka 3.0), for one id; sent to its coordinator. */
export const describeTransactions: KafkaApi<string, DescribedTransaction | undefined> = {
  name: 'DescribeTransactions',
  key: 65,
  version: 0,
  write(writer, transactionalId) {
    writer.array([transactionalId], (id) => writer.string(id)).tags()
  },
  read(reader) {
    reader.int32()
    const described = reader.array(() => {
      const errorCode = reader.int16()
      const transactionalId = reader.string()
      const state = reader.string()
      const timeoutMs = reader.int32()
      const startedAtMs = reader.int64()
      const producerId = reader.int64()
      const producerEpoch = reader.int16()
      const topics = reader.array(() => {
        const topic = reader.string()
        reader.array(() => reader.int32())
        reader.tags()
        return topic
      })
      reader.tags()
      return { errorCode, transactionalId, state, timeoutMs, startedAtMs, producerId, producerEpoch, topics }
    })
    return described[0]
  },
}
