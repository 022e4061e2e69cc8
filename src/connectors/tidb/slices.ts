import type { SourceConnector } from '../../core/connector.ts'
import {
  addressOf,
  describeSlices,
  discoverSliceSchema,
  tidbDialect,
  KeyedRows,
  SliceSource,
  type SliceDialect,
} from '../../clients/sql-slices/index.ts'
import { tidbSourceOptions, type TidbSourceOptions } from './options.ts'

const PORT = 4000

/** Slices of TiDB tables. */
export const tidbSource: SourceConnector<TidbSourceOptions> = {
  options: tidbSourceOptions,
  describe: (options) => describeSlices(options),
  discoverSchema: async (options) => await discoverSliceSchema(dialectOf(options), options),
  create: (options) => Promise.resolve(new SliceSource(options, dialectOf(options))),
  openKeyed: async (options, ask) => new KeyedRows(dialectOf(options), options, ask),
}

function dialectOf(options: TidbSourceOptions): SliceDialect {
  return tidbDialect(async () => {
    const { MysqlConnection, MysqlRows } = await import('../../clients/mysql/index.ts')
    return await MysqlRows.open(await MysqlConnection.open(addressOf(options, PORT)))
  })
}
