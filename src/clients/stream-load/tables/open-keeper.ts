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
  const { queryUrl, url, username, password, schemaChange, createTables, tableBuckets, tableProperties } = options
  const urls = queryUrl.length > 0 ? queryUrl : url.map((one) => `mysql://${new URL(one).hostname}:${QUERY_PORT}`)
  const sql = new FrontendSql({ urls, username, password })
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
