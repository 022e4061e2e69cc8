import {
  describeTransactions,
  listTransactions,
  type DescribedTransaction,
  type ListedTransaction,
} from './apis/transaction-states.ts'
import type { KafkaClient } from './client.ts'
import { KAFKA, kafkaError } from './kafka-errors.ts'
import { initProducer } from './sequenced-producer.ts'

/** Aborts whatever is open under the id, and keeps its earlier users from writing any more. */
export async function fenceTransaction(client: KafkaClient, transactionalId: string): Promise<void> {
  await initProducer(client, transactionalId, 60_000)
}

/** The transactional ids that begin so, from all brokers; `states` restricts them, for example to `Ongoing`. */
export async function findTransactions(
  client: KafkaClient,
  prefix: string,
  states: readonly string[] = [],
): Promise<ListedTransaction[]> {
  const doing = 'listing Kafka transactions'
  return await client.retrying(doing, async () => {
    const found: ListedTransaction[] = []
    for (const nodeId of (await client.cluster()).nodeIds) {
      const { errorCode, transactions } = await client.call(nodeId, listTransactions, states)
      if (errorCode !== 0) throw kafkaError(errorCode, doing)
      found.push(...transactions.filter(({ transactionalId }) => transactionalId.startsWith(prefix)))
    }
    return found
  })
}

/** What the coordinator knows about an id; undefined when it has forgotten it. */
export async function describeTransaction(
  client: KafkaClient,
  transactionalId: string,
): Promise<DescribedTransaction | undefined> {
  const doing = `describing Kafka transaction ${transactionalId}`
  return await client.retrying(doing, async () => {
    const coordinator = await client.coordinatorOf({ kind: 'transaction', key: transactionalId })
    const described = await client.call(coordinator, describeTransactions, transactionalId)
    const code = described?.errorCode ?? KAFKA.TRANSACTIONAL_ID_NOT_FOUND
    if (code === KAFKA.TRANSACTIONAL_ID_NOT_FOUND) return undefined
    if (code !== 0) throw kafkaError(code, doing, { transactionalId })
    return described
  })
}
