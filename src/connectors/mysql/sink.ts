import type { SinkConnector } from '../../core/connector.ts'
import { describeSqlSink } from '../../clients/sql/describe-sink.ts'
import { addressOf } from '../../clients/sql-slices/server.ts'
import { quoteName } from '../../dataplane/sql-text.ts'
import { mysqlSinkOptions, type MysqlSinkOptions } from './options.ts'

const PORT = 3306

/** Tables of MySQL or MariaDB. */
export const mysqlSink: SinkConnector<MysqlSinkOptions> = {
  options: mysqlSinkOptions,
  describe: (options, ask) => describeSqlSink(options, ask, quoteName),
  create: async (options) => {
    const { MysqlConnection, quoteMysqlName, quoteMysqlText } = await import('../../clients/mysql/index.ts')
    const { MysqlDialect, SqlSink } = await import('../../clients/sql/index.ts')
    const { mysqlText, openJsonTexts, openRowTexts } = await import('../../formats/sql-rows/index.ts')
    const address = addressOf(options, PORT)
    return new SqlSink(options, {
      isRowWhole: false,
      openTexts: openRowTexts(mysqlText),
      openJsonTexts: openJsonTexts(mysqlText),
      makeDialect: () =>
        new MysqlDialect({
          database: address.database,
          open: () => MysqlConnection.open(address, { isManual: true }),
          quote: quoteMysqlName,
          text: quoteMysqlText,
        }),
    })
  },
}
