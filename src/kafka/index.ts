/**
 * The Kafka toolkit: producer, transactions, consumer groups, retries and dead letters, without the engine.
 * docs/kafka-toolkit.md tells how it is used.
 */
export { MillraceError } from '../core/errors.ts'
export { Secret } from '../core/secret.ts'
export {
  OUTSIDE,
  type Codec,
  type GroupOffset,
  type PartitionOf,
  type SaslOptions,
  type TlsOptions,
} from '../clients/kafka/index.ts'
export { closeOnSignals } from './close-on-signals.ts'
export { ConsumedMessage } from './consumed-message.ts'
export type { BatchOptions, ConsumerOptions, ConsumerStatistics, DeadLetterOptions } from './consumer-options.ts'
export { Consumer } from './consumer.ts'
export type { BatchHandler, EachHandler, HandlerContext } from './handler.ts'
export {
  DeadLetterBox,
  type DeadLetterBoxOptions,
  type LetterDecision,
  type LetterEdit,
  type RedriveOptions,
  type RedriveReport,
} from './dead-letter-box.ts'
export { DEAD_LETTER_HEADERS, redriven, retryTopic, type DeadLetter } from './dead-letters.ts'
export { KAFKA_ENVIRONMENT, kafkaFromEnvironment, type EnvironmentEntry } from './environment.ts'
export { OnceByKey, type OnceOptions } from './once-by-key.ts'
export { OnceInSql, type MysqlConnection, type OnceInSqlOptions, type PostgresConnection } from './once-in-sql.ts'
export { decodeJson, encodeJson, JsonNumber } from '../core/exact-json.ts'
export { Kafka, type KafkaOptions, type Ping } from './kafka.ts'
export type { Bytes, Message, Stored } from './message.ts'
export { byKey, leastBytes, roundRobin, type PartitionChoice, type Partitioner } from './partitioners.ts'
export { Producer, type ProducerOptions, type ProducerStatistics } from './producer.ts'
export { type RetryOptions, retryPauseMs } from './retries.ts'
export { Schemas, type SchemasOptions } from './schemas/schemas.ts'
export type { CodecOptions, SchemaCodec } from './schemas/schema-codec.ts'
export { runTogether } from './run-together.ts'
export { TopicConsumers, type TopicConsumersOptions } from './topic-consumers.ts'
export {
  TransactionalProducer,
  type ConsumedOffsets,
  type Transaction,
  type TransactionalProducerOptions,
} from './transactional-producer.ts'
