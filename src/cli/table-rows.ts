import { MysqlConnection, MysqlRows } from '../clients/mysql/index.ts'
import { PostgresConnection, PostgresRows } from '../clients/postgres/index.ts'
import { addressOf, type ServerOptions } from '../clients/sql-slices/index.ts'
import type { LoadSinkOptions } from '../clients/stream-load/loader/load-options.ts'
import { openSql } from '../clients/stream-load/tables/open-keeper.ts'
import { loadConnector } from '../connectors/registry.ts'
import { MillraceError } from '../core/errors.ts'
import type { SinkStep } from '../plan/plan.ts'

/** A column to read; bytes come in hexadecimal. */
export interface AskedColumn {
  readonly name: string
  readonly isBytes?: boolean
}

/** What the sinks of servers have in common. */
type ServerSinkOptions = ServerOptions & { readonly database: string; readonly table: string }

/**
 * All rows of the table that a sink writes, each value as the text that its server makes of it. `queryUrl` is the
 * `mysql://host:port` of StarRocks or Doris; default: the option of the sink, or port 9030 where their HTTP is.
 */
export async function tableRows(
  step: SinkStep,
  columns: readonly AskedColumn[],
  queryUrl: string | undefined,
): Promise<readonly (readonly (string | null)[])[]> {
  const { connector } = step
  switch (connector) {
    case 'starrocks':
    case 'doris': {
      const options = (await optionsOf(step)) as LoadSinkOptions
      await using sql = openSql(queryUrl === undefined ? options : { ...options, queryUrl: [queryUrl] })
      const { database, table } = options
      const select = selectOf(columns, '`', (name) => `hex(${name})`)
      const rows = await sql.run(`SELECT ${select} FROM \`${database}\`.\`${table}\``)
      return rows.map((row) => columns.map((_, at) => row[`c${at}`] ?? null))
    }
    case 'mysql':
    case 'tidb': {
      const options = (await optionsOf(step)) as ServerSinkOptions
      const address = addressOf(options, connector === 'tidb' ? 4000 : 3306)
      await using rows = await MysqlRows.open(await MysqlConnection.open(address))
      const select = selectOf(columns, '`', (name) => `HEX(${name})`)
      return await rows.rows(`SELECT ${select} FROM \`${options.table}\``)
    }
    case 'postgres': {
      const options = (await optionsOf(step)) as ServerSinkOptions
      await using rows = await PostgresRows.open(await PostgresConnection.open(addressOf(options, 5432)))
      const select = selectOf(columns, '"', (name) => `encode(${name}, 'hex')`)
      const table = options.table.split('.').map((part) => `"${part}"`)
      return await rows.rows(`SELECT ${select} FROM ${table.join('.')}`)
    }
    default:
      throw new MillraceError(
        `${step.id} is a ${connector}: what can be read back are files, hudi, duckdb, starrocks, doris, mysql, tidb and postgres`,
        { code: 'CONFIG' },
      )
  }
}

async function optionsOf({ connector, options }: SinkStep): Promise<unknown> {
  return (await loadConnector(connector))?.sink?.options.parse(options)
}

function selectOf(columns: readonly AskedColumn[], quote: string, hex: (name: string) => string): string {
  return columns
    .map(({ name, isBytes = false }, at) => {
      const quoted = `${quote}${name.replaceAll(quote, quote + quote)}${quote}`
      return `${isBytes ? hex(quoted) : quoted} AS c${at}`
    })
    .join(', ')
}
