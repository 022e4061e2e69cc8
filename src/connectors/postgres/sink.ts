import type { SinkConnector } from '../../core/connector.ts'
import { describeSqlSink } from '../../clients/sql/describe-sink.ts'
import { addressOf } from '../../clients/sql-slices/server.ts'
import { quoteName } from '../../dataplane/sql-text.ts'
import { postgresSinkOptions, type PostgresSinkOptions } from './options.ts'

const PORT = 5432

/** Tables of PostgreSQL. */
export const postgresSink: SinkConnector<PostgresSinkOptions> = {
  options: postgresSinkOptions,
  describe: (options, ask) => describeSqlSink(options, ask, quoteName),
  create: async (options) => {
    const { PostgresConnection, quotePostgresName, quotePostgresText } = await import('../../clients/postgres/index.ts')
    const { PostgresDialect, SqlSink } = await import('../../clients/sql/index.ts')
    const { openJsonTexts, openRowTexts, postgresText } = await import('../../formats/sql-rows/index.ts')
    const address = addressOf(options, PORT)
    return new SqlSink(options, {
      isRowWhole: true,
      openTexts: openRowTexts(postgresText),
      openJsonTexts: openJsonTexts(postgresText),
      makeDialect: () =>
        new PostgresDialect({
          schema: options.schema,
          open: () => PostgresConnection.open({ ...address, application: 'millrace' }),
          quote: quotePostgresName,
          text: quotePostgresText,
        }),
    })
  },
}
