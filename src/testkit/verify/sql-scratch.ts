import { randomUUID } from 'node:crypto'
import { MysqlConnection, quoteMysqlName } from '../../clients/mysql/index.ts'
import { PostgresConnection, quotePostgresName } from '../../clients/postgres/index.ts'
import { addressOf, type ServerOptions } from '../../clients/sql-slices/server.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SinkStep } from '../../plan/plan.ts'
import { CommitProxy } from './commit-proxy.ts'
import type { Scratch } from './scratch.ts'
import { sealOptions, severalTables } from './sealed-options.ts'

export function isSqlSink({ connector }: Pick<SinkStep, 'connector'>): boolean {
  return connector === 'mysql' || connector === 'tidb' || connector === 'postgres'
}

/** Nobody can see a COMMIT there, nor stand between. */
export function isEncrypted({ options }: Pick<SinkStep, 'options'>): boolean {
  return options['tls'] !== undefined
}

type SqlOptions = ServerOptions & {
  readonly table?: string | undefined
  readonly schema?: string
  readonly createTable: boolean
}

/** Makes a database (in PostgreSQL a schema) that is dropped behind it, with an empty table of the same form as the sink's, with its keys. */
export async function openScratch(step: SinkStep, baseDirectory: string): Promise<Scratch> {
  const { options: sealed, environment, parsed } = await sealOptions(step, baseDirectory)
  const options = parsed as SqlOptions
  const { table } = options
  if (table === undefined) throw severalTables(step)
  const isPostgres = step.connector === 'postgres'
  const address = addressOf(options, isPostgres ? 5432 : step.connector === 'tidb' ? 4000 : 3306)
  const name = `millrace_verify_${randomUUID().replaceAll('-', '').slice(0, 12)}`
  const quote = isPostgres ? quotePostgresName : quoteMysqlName
  const kind = isPostgres ? 'SCHEMA' : 'DATABASE'
  const target = `${quote(name)}.${quote(table)}`
  const like = `${quote(isPostgres ? (options.schema ?? 'public') : address.database)}.${quote(table)}`
  const connection = isPostgres
    ? await PostgresConnection.open({ ...address, application: 'millrace verify' })
    : await MysqlConnection.open(address)
  await using stack = new AsyncDisposableStack()
  stack.use(connection)
  await connection.query(`CREATE ${kind} ${quote(name)}`, `making a ${kind.toLowerCase()} for the rows of ${step.id}`)
  stack.defer(async () => {
    await connection.query(`DROP ${kind} ${quote(name)}${isPostgres ? ' CASCADE' : ''}`, `dropping ${name}`)
  })
  const form = isPostgres ? `(LIKE ${like} INCLUDING ALL)` : `LIKE ${like}`
  try {
    await connection.query(`CREATE TABLE ${target} ${form}`, `making a table like ${table}`)
  } catch (thrown) {
    // What is missing is made by the sink itself.
    if (!(options.createTable && thrown instanceof MillraceError && thrown.code === 'SCHEMA')) throw thrown
  }
  const proxy = isEncrypted(step) ? undefined : stack.use(await CommitProxy.open(address))
  const url = new URL(options.url)
  if (proxy !== undefined) url.host = proxy.address
  if (!isPostgres) url.pathname = `/${name}`
  const cleanup = stack.move()
  return {
    options: { ...sealed, url: url.href, ...(isPostgres && { schema: name }) },
    environment,
    ...(proxy && { replies: proxy }),
    lines: async () => {
      const { rows } = await connection.query(`SELECT * FROM ${target}`, 'reading what was written')
      return rows.map((row) => JSON.stringify(row.map((cell) => (Buffer.isBuffer(cell) ? cell.toString('hex') : cell))))
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  }
}
