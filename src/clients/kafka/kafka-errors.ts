import type { ErrorCode } from '../../core/error-codes.ts'
import { MillraceError, type ErrorDetail, type Retry } from '../../core/errors.ts'

/** Error codes of kafka.apache.org/protocol ("Error Codes") that we decide by or expect to meet. */
export const KAFKA = {
  UNKNOWN_SERVER_ERROR: -1,
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  REQUEST_TIMED_OUT: 7,
  BROKER_NOT_AVAILABLE: 8,
  REPLICA_NOT_AVAILABLE: 9,
  MESSAGE_TOO_LARGE: 10,
  NETWORK_EXCEPTION: 13,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  INVALID_TOPIC_EXCEPTION: 17,
  RECORD_LIST_TOO_LARGE: 18,
  NOT_ENOUGH_REPLICAS: 19,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 20,
  ILLEGAL_GENERATION: 22,
  UNKNOWN_MEMBER_ID: 25,
  REBALANCE_IN_PROGRESS: 27,
  TOPIC_AUTHORIZATION_FAILED: 29,
  GROUP_AUTHORIZATION_FAILED: 30,
  CLUSTER_AUTHORIZATION_FAILED: 31,
  UNSUPPORTED_SASL_MECHANISM: 33,
  ILLEGAL_SASL_STATE: 34,
  UNSUPPORTED_VERSION: 35,
  TOPIC_ALREADY_EXISTS: 36,
  INVALID_PARTITIONS: 37,
  INVALID_REPLICATION_FACTOR: 38,
  INVALID_CONFIG: 40,
  NOT_CONTROLLER: 41,
  INVALID_REQUEST: 42,
  POLICY_VIOLATION: 44,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  DUPLICATE_SEQUENCE_NUMBER: 46,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  INVALID_PRODUCER_ID_MAPPING: 49,
  INVALID_TRANSACTION_TIMEOUT: 50,
  CONCURRENT_TRANSACTIONS: 51,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 53,
  KAFKA_STORAGE_ERROR: 56,
  SASL_AUTHENTICATION_FAILED: 58,
  UNKNOWN_PRODUCER_ID: 59,
  FENCED_LEADER_EPOCH: 74,
  UNKNOWN_LEADER_EPOCH: 75,
  OFFSET_NOT_AVAILABLE: 78,
  MEMBER_ID_REQUIRED: 79,
  FENCED_INSTANCE_ID: 82,
  INVALID_RECORD: 87,
  UNSTABLE_OFFSET_COMMIT: 88,
  PRODUCER_FENCED: 90,
  THROTTLING_QUOTA_EXCEEDED: 89,
  UNKNOWN_TOPIC_ID: 100,
  TRANSACTIONAL_ID_NOT_FOUND: 105,
  INCONSISTENT_TOPIC_ID: 103,
} as const

const names = new Map<number, string>(Object.entries(KAFKA).map(([name, code]) => [code, name]))

/** `NOT_LEADER_OR_FOLLOWER`, or `error 123` for a code that we do not know. */
export function kafkaErrorName(code: number): string {
  return names.get(code) ?? `error ${code}`
}

/** The leader moved or is being elected: ask for metadata again, then repeat. */
export const LEADER_MOVED: ReadonlySet<number> = new Set([
  KAFKA.LEADER_NOT_AVAILABLE,
  KAFKA.NOT_LEADER_OR_FOLLOWER,
  KAFKA.BROKER_NOT_AVAILABLE,
  KAFKA.REPLICA_NOT_AVAILABLE,
  KAFKA.FENCED_LEADER_EPOCH,
  KAFKA.UNKNOWN_LEADER_EPOCH,
  KAFKA.OFFSET_NOT_AVAILABLE,
  KAFKA.KAFKA_STORAGE_ERROR,
])

const REFUSED: ReadonlySet<number> = new Set([
  KAFKA.TOPIC_AUTHORIZATION_FAILED,
  KAFKA.GROUP_AUTHORIZATION_FAILED,
  KAFKA.CLUSTER_AUTHORIZATION_FAILED,
  KAFKA.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  KAFKA.SASL_AUTHENTICATION_FAILED,
  KAFKA.UNSUPPORTED_SASL_MECHANISM,
  KAFKA.ILLEGAL_SASL_STATE,
])

const PASSING: ReadonlySet<number> = new Set([
  ...LEADER_MOVED,
  KAFKA.UNKNOWN_SERVER_ERROR,
  KAFKA.REQUEST_TIMED_OUT,
  KAFKA.NETWORK_EXCEPTION,
  KAFKA.COORDINATOR_LOAD_IN_PROGRESS,
  KAFKA.COORDINATOR_NOT_AVAILABLE,
  KAFKA.NOT_COORDINATOR,
  KAFKA.NOT_CONTROLLER,
  KAFKA.NOT_ENOUGH_REPLICAS,
  KAFKA.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  KAFKA.CONCURRENT_TRANSACTIONS,
  KAFKA.UNSTABLE_OFFSET_COMMIT,
  KAFKA.THROTTLING_QUOTA_EXCEEDED,
])

const FENCED: ReadonlySet<number> = new Set([KAFKA.PRODUCER_FENCED, KAFKA.INVALID_PRODUCER_EPOCH])

/**
 * An error code that Kafka answered, as the error that the engine acts on: refused credentials halt as `AUTH`, what
 * passes by itself is `UNAVAILABLE` and retried, a fenced producer is `FENCED`, everything else is `CONFIG`. `detail.kafka`
 * carries Kafka's own name.
 */
export function kafkaError(
  code: number,
  doing: string,
  detail: ErrorDetail = {},
  message?: string | null,
): MillraceError {
  const [ours, retry] = classify(code)
  const said = message === undefined || message === null || message === '' ? '' : `: ${message}`
  return new MillraceError(`${doing}: Kafka answered ${kafkaErrorName(code)} (${code})${said}`, {
    code: ours,
    retry,
    detail: { ...detail, kafka: kafkaErrorName(code) },
  })
}

function classify(code: number): [ErrorCode, Retry] {
  if (REFUSED.has(code)) return ['AUTH', 'halt']
  if (PASSING.has(code)) return ['UNAVAILABLE', 'retry']
  if (FENCED.has(code)) return ['FENCED', 'halt']
  if (code === KAFKA.CORRUPT_MESSAGE) return ['DECODE', 'halt']
  return ['CONFIG', 'halt']
}

/** Whether an error is Kafka's answer `name`, as `kafkaError` made it. */
export function isKafkaError(error: unknown, name: keyof typeof KAFKA): boolean {
  return error instanceof MillraceError && error.detail['kafka'] === name
}
