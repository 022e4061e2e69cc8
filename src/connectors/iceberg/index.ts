import type { Finding } from '../../core/checkpoint-types.ts'
import type { Connector, SourceConnector, SourceDescription } from '../../core/connector.ts'
import { toMillraceError } from '../../core/errors.ts'
import { parseWhere } from '../../clients/iceberg/where-text.ts'
import { icebergSourceOptions, type IcebergSourceOptions } from './options.ts'

const source: SourceConnector<IcebergSourceOptions> = {
  options: icebergSourceOptions,
  describe,
  discoverSchema: async (options, baseDirectory, openStore) => {
    const { discoverSchema } = await import('./discover-schema.ts')
    return await discoverSchema(options, { baseDirectory, openStore })
  },
  create: async (options) => {
    const { IcebergSource } = await import('./source.ts')
    return new IcebergSource(options)
  },
}

/** Apache Iceberg tables, versions 1 and 2, without a JVM. */
export const connector: Connector = {
  name: 'iceberg',
  summary: 'Reads Apache Iceberg tables: one snapshot, or a branch as it grows.',
  source,
}

function describe(options: IcebergSourceOptions): SourceDescription {
  return {
    delivery: {
      class: 'atomic',
      reason: 'the files of a snapshot never change, and are read again from any position',
      assumptions: [],
    },
    bounded: !options.follow,
    gives: ['table'],
    format: 'parquet',
    prunes: true,
    metadata: [
      { name: '_file', type: 'varchar', nullable: false },
      { name: '_offset', type: 'bigint', nullable: false },
      { name: '_snapshot', type: 'bigint', nullable: false },
      { name: '_change', type: 'varchar', nullable: false },
    ],
    findings: whereFindings(options),
  }
}

function whereFindings({ where }: IcebergSourceOptions): readonly Finding[] {
  if (where === undefined) return []
  try {
    parseWhere(where)
    return []
  } catch (thrown) {
    const { message } = toMillraceError(thrown)
    const hint = "Write it as region = 'eu' AND id >= 100, or use a filter step."
    return [{ severity: 'error', code: 'CONFIG', message, hint, path: ['where'] }]
  }
}
