import type { Finding } from '../../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../../core/context.ts'
import { toMillraceError } from '../../../core/errors.ts'
import { formatDuration } from '../../../core/options.ts'
import { safeDowntimeFindings } from '../../../core/preflight-rules.ts'
import { isKafkaError, KafkaAdmin, type KafkaClient } from '../../../clients/kafka/index.ts'
import { isBinary, type KafkaSinkOptions } from './options.ts'
import { hasTopic } from './progress.ts'
import { recordSql } from './record-columns.ts'
import { neededTimeoutMs } from './timeouts.ts'
import { checkValueFormat } from './value-format.ts'

/** Default of brokers (transaction.max.timeout.ms). */
const BROKER_TIMEOUT_MS = 900_000

/** Is the topic there, are records safe in it, and may transactions stay open for the longest downtime? */
export async function checkKafkaSink(
  options: KafkaSinkOptions,
  client: KafkaClient,
  context: PreflightContext,
): Promise<readonly Finding[]> {
  try {
    await client.topics([options.topic])
    const admin = new KafkaAdmin(client)
    const configs = await admin.topicConfigs(options.topic)
    return [
      ...replicaFindings(options.topic, configs),
      ...cleanupFindings(options, configs),
      ...(await progressFindings(options, client)),
      ...(await formatFindings(options, context)),
      ...timeoutFindings(options, await brokerTimeoutMs(admin), context),
    ]
  } catch (thrown) {
    const error = toMillraceError(thrown)
    const path = [error.code === 'CONFIG' ? 'topic' : 'brokers']
    return [{ severity: 'error', code: error.code, message: error.message, hint: error.remedy, path }]
  }
}

/** The smallest of the brokers: any of them may coordinate one of our transactions. Who may not ask is told the default. */
async function brokerTimeoutMs(admin: KafkaAdmin): Promise<number> {
  const name = 'transaction.max.timeout.ms'
  const values = await admin.brokerConfigs([name]).catch((thrown: unknown) => {
    if (isKafkaError(thrown, 'CLUSTER_AUTHORIZATION_FAILED'))
      return new Map<number, ReadonlyMap<string, string | null>>()
    throw thrown
  })
  if (values.size === 0) return BROKER_TIMEOUT_MS
  return Math.min(...[...values.values()].map((settings) => Number(settings.get(name) ?? BROKER_TIMEOUT_MS)))
}

function timeoutFindings(options: KafkaSinkOptions, brokerMs: number, { times }: PreflightContext): Finding[] {
  const needed = neededTimeoutMs(times)
  const given = options.transactionTimeout ?? needed
  const safe = safeDowntimeFindings(times, [
    {
      what: 'open Kafka transactions (transaction.timeout.ms)',
      kind: 'prepared',
      lifeMs: Math.min(given, brokerMs) - times.intervalMs,
    },
  ])
  if (given < needed) {
    const message = `transactions end after ${formatDuration(given)}; ${formatDuration(needed)} are needed (interval, timeout, maxDowntime and 5m)`
    return [...safe, error(message, 'Raise transactionTimeout or lower checkpoint.maxDowntime.', 'transactionTimeout')]
  }
  if (given > brokerMs) {
    const message = `transactions have to stay open for ${formatDuration(given)}; the brokers allow ${formatDuration(brokerMs)} (transaction.max.timeout.ms)`
    const hint = 'Raise transaction.max.timeout.ms of the brokers, or lower checkpoint.maxDowntime.'
    return [...safe, error(message, hint, 'transactionTimeout')]
  }
  return safe
}

function replicaFindings(topic: string, configs: ReadonlyMap<string, string | null>): Finding[] {
  const replicas = Number(configs.get('min.insync.replicas') ?? 1)
  if (replicas >= 2) return []
  const message = `records of ${topic} count as written when one broker has them (min.insync.replicas ${replicas}): if it is lost, so are they`
  return [
    {
      severity: 'warning',
      code: 'PREFLIGHT',
      message,
      hint: 'Set min.insync.replicas of the topic to 2.',
      path: ['topic'],
    },
  ]
}

/** A compacted topic refuses records without a key. */
function cleanupFindings({ topic, key }: KafkaSinkOptions, configs: ReadonlyMap<string, string | null>): Finding[] {
  if (key !== undefined || !(configs.get('cleanup.policy') ?? '').includes('compact')) return []
  return [error(`${topic} is compacted: its records need keys`, 'Name the columns of the key in `key`.', 'topic')]
}

/** Do the columns fit the schema of the values, and does the registry take it? */
async function formatFindings(options: KafkaSinkOptions, context: PreflightContext): Promise<Finding[]> {
  if (!isBinary(options) || context.schema === undefined) return []
  const sql = recordSql(options, context.schema)
  if (!('value' in sql)) return []
  try {
    await checkValueFormat(options, sql.valueColumns, context.baseDirectory)
    return []
  } catch (thrown) {
    const { code, message, remedy } = toMillraceError(thrown)
    return [{ severity: 'error', code, message, hint: remedy, path: [options.registry ? 'registry' : 'format'] }]
  }
}

async function progressFindings({ progressTopic }: KafkaSinkOptions, client: KafkaClient): Promise<Finding[]> {
  if (await hasTopic(client, progressTopic)) return []
  const message = `the topic ${progressTopic} is missing; it is made at the start, compacted and with one partition`
  return [{ severity: 'info', code: 'PREFLIGHT', message, path: ['progressTopic'] }]
}

function error(message: string, hint: string, option: string): Finding {
  return { severity: 'error', code: 'PREFLIGHT', message, hint, path: [option] }
}
