import type { CoordinatorContext } from '../../../core/context.ts'
import { Router } from '../../../core/routes.ts'
import type { LoadSinkOptions } from '../loader/load-options.ts'
import { FrontendSql } from './frontend-sql.ts'
import { TableKeeper } from './table-keeper.ts'
import type { TableDialect } from './target-type.ts'

const QUERY_PORT = 9030

/** What looks after the tables of a sink with `routes`. */
export function openKeeper(
  options: LoadSinkOptions,
  context: CoordinatorContext,
  dialect: TableDialect,
): { readonly keeper: TableKeeper; close(): Promise<void> } {
  const { schemaChange, createTables, tableBuckets, tableProperties } = options
  const sql = openSql(options)
  const keeper = new TableKeeper({
    sql,
    router: routerOf(options),
    making: { dialect, buckets: tableBuckets, properties: tableProperties },
    createTables,
    policies: schemaChange,
    clock: context.clock,
    log: context.log,
  })
  return { keeper, close: () => sql[Symbol.asyncDispose]() }
}

export function routerOf({ routes = [], database }: LoadSinkOptions): Router {
  return new Router(routes, database)
}

/** Without `queryUrl` the FEs are asked at their usual port. */
export function openSql({ queryUrl, url, username, password }: LoadSinkOptions): FrontendSql {
  const urls = queryUrl.length > 0 ? queryUrl : url.map((one) => `mysql://${new URL(one).hostname}:${QUERY_PORT}`)
  return new FrontendSql({ urls, username, password })
}
