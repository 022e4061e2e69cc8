import type { Finding } from '../../core/checkpoint-types.ts'
import type { Connector, SourceConnector, SourceDescription } from '../../core/connector.ts'
import { exposureOf, parsePgAddress } from '../../clients/postgres-replication/address.ts'
import { postgresCdcOptions, type PostgresCdcOptions } from './options.ts'

const source: SourceConnector<PostgresCdcOptions> = {
  options: postgresCdcOptions,
  describe,
  discoverSchema: async (options) => {
    const { discoverSchema } = await import('./discover-schema.ts')
    return await discoverSchema(options)
  },
  create: async (options) => {
    const { PostgresCdcSource } = await import('./source.ts')
    return new PostgresCdcSource(options)
  },
}

/** Changes of PostgreSQL tables, by logical replication. */
export const connector: Connector = {
  name: 'postgres-cdc',
  summary: 'Reads PostgreSQL tables: all rows that are there, then every change, from a replication slot of its own.',
  source,
}

function describe(options: PostgresCdcOptions): SourceDescription {
  return {
    delivery: {
      class: 'atomic',
      reason: 'positions are places in the server’s log, and snapshots tell which changes the initial read holds',
      assumptions: [],
    },
    bounded: options.end !== 'never',
    gives: ['bytes'],
    format: 'json',
    metadata: [],
    ...(options.tables === undefined ? {} : { tables: true }),
    findings: exposure(options),
  }
}

function exposure({ url }: PostgresCdcOptions): Finding[] {
  const address = parsePgAddress(url)
  const found = exposureOf(address)
  if (found === undefined) return []
  const message =
    found === 'plain'
      ? `rows may travel unencrypted to ${address.host} (sslmode=${address.sslMode})`
      : `certificates are not verified (sslmode=${address.sslMode}): whoever sits between can read and change everything, passwords too`
  const hint =
    'Put ?sslmode=verify-full behind the database, and the authority into `ca` if the system does not know it.'
  return [{ severity: 'warning', code: 'CONFIG', message, hint, path: ['url'] }]
}
