import type { LoadSinkOptions } from '../../clients/stream-load/loader/load-options.ts'
import { openSql } from '../../clients/stream-load/tables/open-keeper.ts'
import { quoteMysqlName } from '../../clients/mysql/index.ts'
import type { SinkStep } from '../../plan/plan.ts'
import { notEmpty, ofTheUser } from './refused-target.ts'
import { sealOptions, severalTables } from './sealed-options.ts'
import { settled, type GivenTarget } from './scratch.ts'

/** A table of StarRocks or Doris, `database.table` or a table in the sink's database; read over the MySQL protocol. */
export async function openGivenTable(
  step: SinkStep,
  target: string,
  { baseDirectory, queryUrl }: { readonly baseDirectory: string; readonly queryUrl?: string | undefined },
): Promise<GivenTarget> {
  const { options, environment, parsed } = await sealOptions(step, baseDirectory)
  const own = parsed as LoadSinkOptions
  if (own.table === undefined) throw severalTables(step)
  const dot = target.indexOf('.')
  const [database, table] = dot < 0 ? [own.database, target] : [target.slice(0, dot), target.slice(dot + 1)]
  const place = `${database}.${table}`
  if (database === own.database && table === own.table) throw ofTheUser(step, place)
  const name = `${quoteMysqlName(database)}.${quoteMysqlName(table)}`
  await using stack = new AsyncDisposableStack()
  const sql = stack.use(openSql(queryUrl === undefined ? own : { ...own, queryUrl: [queryUrl] }))
  const [counted] = await sql.run(`SELECT count(*) AS n FROM ${name}`)
  if (counted?.['n'] !== '0') throw notEmpty(step, place)
  const empty = async (): Promise<void> => void (await sql.run(`TRUNCATE TABLE ${name}`))
  stack.defer(empty)
  const cleanup = stack.move()
  const look = async (): Promise<string[]> => (await sql.run(`SELECT * FROM ${name}`)).map((row) => JSON.stringify(row))
  return {
    place: `the table ${place}`,
    next: async () => {
      await empty()
      return {
        options: { ...options, database, table },
        environment,
        lines: () => settled(look),
        [Symbol.asyncDispose]: async () => undefined,
      }
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  }
}
