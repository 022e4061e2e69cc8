import type { Connector, SourceConnector, SourceDescription } from '../../core/connector.ts'
import { isChangeFormat, tellsChanges } from '../../formats/changes/names.ts'
import { sink } from './sink/index.ts'
import { kafkaSourceOptions, type KafkaSourceOptions } from './options.ts'

const source: SourceConnector<KafkaSourceOptions> = {
  options: kafkaSourceOptions,
  describe,
  discoverSchema: async (options, baseDirectory) => {
    if (!isDecoded(options)) return undefined
    const { decodedColumns } = await import('./value-decoder.ts')
    return decodedColumns(options, baseDirectory)
  },
  openRedrive: async (options, baseDirectory) => {
    const { openRedrive } = await import('./redrive.ts')
    return openRedrive(options, baseDirectory)
  },
  create: async (options) => {
    const { KafkaSource } = await import('./source.ts')
    return new KafkaSource(options)
  },
}

/** Apache Kafka and what speaks its protocol (from 3.1 on). */
export const connector: Connector = {
  name: 'kafka',
  summary: 'Reads topics, committed records only, with positions in checkpoints; writes topics in transactions.',
  source,
  sink,
}

const UNVERIFIED = {
  severity: 'warning',
  code: 'CONFIG',
  message: 'certificates are not verified: whoever sits between can read and change everything, passwords too',
  hint: 'Give the authority in `tls.ca` instead of `insecureSkipVerify`.',
  path: ['tls', 'insecureSkipVerify'],
} as const

function describe(options: KafkaSourceOptions): SourceDescription {
  const { format } = options
  const isJson = isDecoded(options) || tellsChanges(format)
  const committed = options.properties['isolation.level'] !== 'read_uncommitted'
  return {
    delivery: {
      class: committed ? 'atomic' : 'at-least-once',
      reason: committed
        ? 'offsets are exact positions, and only committed records are read'
        : 'records of transactions that are rolled back later are read (isolation.level: read_uncommitted)',
      assumptions: [],
      ...(committed ? {} : { stronger: 'isolation.level: read_committed' }),
    },
    bounded: options.end !== 'never',
    gives: ['bytes'],
    format: format === 'csv' || format === 'raw' ? format : 'json',
    ...(options.tables !== undefined && { tables: true }),
    ...(setsAside(options) && { setsAside: true }),
    metadata: isJson
      ? []
      : [
          { name: '_key', type: 'blob', nullable: true },
          { name: '_headers', type: 'varchar', nullable: true },
          { name: '_timestamp', type: 'timestamptz', nullable: false },
          { name: '_partition', type: 'integer', nullable: false },
          { name: '_offset', type: 'bigint', nullable: false },
        ],
    rebalance: options.rebalance === 'on-skew',
    findings: options.tls?.insecureSkipVerify === true ? [UNVERIFIED] : [],
  }
}

/** Values that the source itself makes rows of. */
function isDecoded({ format }: KafkaSourceOptions): boolean {
  return format === 'avro' || format === 'protobuf'
}

/** A message of a feed may be a watermark, and one of several tables a new shape: without it the others mean something else. */
function setsAside(options: KafkaSourceOptions): boolean {
  return isDecoded(options) || (isChangeFormat(options.format) && options.tables === undefined)
}
