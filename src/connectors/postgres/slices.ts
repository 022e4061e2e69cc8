import type { SourceConnector } from '../../core/connector.ts'
import {
  addressOf,
  describeSlices,
  discoverSliceSchema,
  postgresDialect,
  KeyedRows,
  SliceSource,
  type SliceDialect,
} from '../../clients/sql-slices/index.ts'
import { postgresSourceOptions, type PostgresSourceOptions } from './options.ts'

const PORT = 5432

/** Slices of PostgreSQL tables. */
export const postgresSource: SourceConnector<PostgresSourceOptions> = {
  options: postgresSourceOptions,
  describe: (options) => describeSlices(options),
  discoverSchema: async (options) => await discoverSliceSchema(dialectOf(options), options),
  create: (options) => Promise.resolve(new SliceSource(options, dialectOf(options))),
  openKeyed: async (options, ask) => new KeyedRows(dialectOf(options), options, ask),
}

function dialectOf(options: PostgresSourceOptions): SliceDialect {
  return postgresDialect(async () => {
    const { PostgresConnection, PostgresRows } = await import('../../clients/postgres/index.ts')
    return await PostgresRows.open(await PostgresConnection.open(addressOf(options, PORT)))
  })
}
