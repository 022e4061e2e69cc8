/**
 * A small fast Kafka client without the engine: what a source, a sink and the toolkit stand on.
 *
 *   KafkaClient        finds brokers, topics, offsets; repeats what fails while leaders move
 *   FetchSession       reads partitions as raw record batches, one request ahead
 *   BatchCursor        decodes batches into a caller's buffers: `gatherValues`, `gatherRecords`
 *   PartitionProducer  appends batches; SequencedProducer so that repeats are recognised; KafkaTransaction atomically
 *   BatchBuilder       encodes a batch from pieces of buffers
 *   readOutcomes       what became of transactions, by their records and markers
 *   GroupMember        membership of a consumer group
 *   KafkaAdmin         topics, settings, group offsets
 *
 * It speaks the protocol itself over `node:net`: @platformatic/kafka takes 0.3 s and 60 MB to load in every thread
 * and loses records of `read_committed`; only its LZ4 and snappy compressors are used, and loaded when asked for.
 * Brokers from Kafka 3.1 on are supported.
 */
export { KafkaAdmin } from './admin.ts'
export type { AbortedTransaction } from './apis/fetch.ts'
export { OUTSIDE, type GroupMembership, type GroupOffset } from './apis/groups.ts'
export { BatchCursor, type FetchedBytes } from './batch-cursor.ts'
export { BatchBuilder, emptyParts, encodeHeaders, type RecordParts } from './batch-builder.ts'
export { encodeBatch, encodeValues, type OutgoingRecord } from './batch-encoder.ts'
export type { BatchOptions } from './batch-header.ts'
export {
  KafkaClient,
  type KafkaClientOptions,
  type OffsetTime,
  type PartitionInfo,
  type TopicInfo,
  type TopicPartition,
} from './client.ts'
export type { Codec } from './compression.ts'
export { loadCodec } from './compressors.ts'
export type { TlsOptions } from './connection.ts'
export {
  FetchSession,
  type FetchedPartition,
  type FetchedResponse,
  type FetchOptions,
  type FetchPosition,
} from './fetch-session.ts'
export type { DescribedTransaction } from './apis/transaction-states.ts'
export { describeTransaction, fenceTransaction, findTransactions } from './find-transactions.ts'
export type { PartitionOf } from './group/consumer-protocol.ts'
export { GroupMember, type GroupMemberOptions } from './group/group-member.ts'
export { isKafkaError } from './kafka-errors.ts'
export { murmur2, partitionOfKey } from './murmur2.ts'
export { PartitionLeaders } from './partition-leaders.ts'
export { PartitionProducer, type ProduceTarget } from './producer.ts'
export { isNullAt, RecordTarget, type BytesColumn } from './record-target.ts'
export { readOutcomes, type RecordOutcome } from './read-outcomes.ts'
export type { SaslMechanism, SaslOptions } from './sasl.ts'
export { parseHeaders, type KafkaHeader, type KafkaRecord } from './single-record.ts'
export { initProducer, SequencedProducer } from './sequenced-producer.ts'
export { endTransaction, KafkaTransaction, type TransactionHandle, type TransactionOptions } from './transaction.ts'
export { COMMA, LINE_FEED, ValueTarget } from './value-target.ts'
