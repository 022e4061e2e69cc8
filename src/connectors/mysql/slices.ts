import type { SourceConnector } from '../../core/connector.ts'
import {
  addressOf,
  describeSlices,
  discoverSliceSchema,
  mysqlDialect,
  KeyedRows,
  SliceSource,
  type SliceDialect,
} from '../../clients/sql-slices/index.ts'
import { mysqlSourceOptions, type MysqlSourceOptions } from './options.ts'

const PORT = 3306

/** Slices of MySQL and MariaDB tables. */
export const mysqlSource: SourceConnector<MysqlSourceOptions> = {
  options: mysqlSourceOptions,
  describe: (options) => describeSlices(options),
  discoverSchema: async (options) => await discoverSliceSchema(dialectOf(options), options),
  create: (options) => Promise.resolve(new SliceSource(options, dialectOf(options))),
  openKeyed: async (options, ask) => new KeyedRows(dialectOf(options), options, ask),
}

function dialectOf(options: MysqlSourceOptions): SliceDialect {
  return mysqlDialect(async () => {
    const { MysqlConnection, MysqlRows } = await import('../../clients/mysql/index.ts')
    return await MysqlRows.open(await MysqlConnection.open(addressOf(options, PORT)))
  })
}
