import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import { checkTarget } from './check-target.ts'
import type { SqlDialect } from './dialect.ts'
import type { TableSinkOptions } from './options.ts'

/** Can the server be reached, does it hold what the pages need, and does the table fit the rows? Changes nothing. */
export async function checkSqlSink(
  options: TableSinkOptions,
  dialect: SqlDialect,
  { schema }: PreflightContext,
): Promise<readonly Finding[]> {
  try {
    const session = await dialect.open()
    try {
      const server = await dialect.checkServer(session, { pageBytes: options.pageBytes })
      if (schema === undefined) return server
      return [...server, ...checkTarget(options, schema, await dialect.describe(session, options.table))]
    } finally {
      await session.close()
    }
  } catch (thrown) {
    const { message, code, remedy } = toMillraceError(thrown)
    return [{ severity: 'error', code, message, hint: remedy, path: ['url'] }]
  }
}
