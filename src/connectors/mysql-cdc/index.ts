import type { Connector, SourceConnector, SourceDescription } from '../../core/connector.ts'
import { mysqlCdcOptions, type MysqlCdcOptions } from './options.ts'

const source: SourceConnector<MysqlCdcOptions> = {
  options: mysqlCdcOptions,
  describe,
  discoverSchema: async (options) => {
    if (options.table === undefined) return undefined
    const { discoverSchema } = await import('./discover-schema.ts')
    return await discoverSchema(options)
  },
  create: async (options) => {
    const { MysqlCdcSource } = await import('./source.ts')
    return new MysqlCdcSource(options)
  },
}

/** MySQL 8 and newer, and MariaDB from 10.5 on: all rows that are there, then every change, from the binlog. */
export const connector: Connector = {
  name: 'mysql-cdc',
  summary: 'Reads MySQL and MariaDB tables: all rows that are there, then every change from the binlog.',
  source,
}

const UNVERIFIED = {
  severity: 'warning',
  code: 'CONFIG',
  message: 'certificates are not verified: whoever sits between can read and change everything, passwords too',
  hint: 'Give the authority in `tls.ca` instead of `insecureSkipVerify`.',
  path: ['tls', 'insecureSkipVerify'],
} as const

function describe(options: MysqlCdcOptions): SourceDescription {
  return {
    delivery: {
      class: 'atomic',
      reason: 'the log is read again from any transaction, and initial rows are those of one moment in it',
      assumptions: [],
    },
    bounded: options.end !== 'never',
    gives: ['bytes'],
    format: 'json',
    metadata: [],
    tables: options.tables !== undefined,
    findings: options.tls?.insecureSkipVerify === true ? [UNVERIFIED] : [],
  }
}
