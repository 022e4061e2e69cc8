import { randomUUID } from 'node:crypto'
import { loadConnector } from '../../connectors/registry.ts'
import { MysqlConnection, quoteMysqlName } from '../../clients/mysql/index.ts'
import { PostgresConnection, quotePostgresName } from '../../clients/postgres/index.ts'
import { addressOf, type ServerOptions } from '../../clients/sql-slices/server.ts'
import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SinkStep } from '../../plan/plan.ts'
import { resolveSecrets } from '../../plan/resolve-secrets.ts'

/** Where a play writes on the user's own server: a database (in PostgreSQL a schema) that is dropped behind it. */
export interface SqlScratch extends AsyncDisposable {
  /** What the sink is told instead. */
  readonly options: JsonObject
  /** The password, which is written into no file. */
  readonly environment: Readonly<Record<string, string>>
  /** Each row of the table as a text. */
  lines(): Promise<string[]>
}

export function isSqlSink({ connector }: Pick<SinkStep, 'connector'>): boolean {
  return connector === 'mysql' || connector === 'tidb' || connector === 'postgres'
}

type SqlOptions = ServerOptions & {
  readonly table?: string | undefined
  readonly schema?: string
  readonly createTable: boolean
}

/** Makes it with an empty table of the same form as the sink's, with its keys. */
export async function openScratch(step: SinkStep, baseDirectory: string): Promise<SqlScratch> {
  const { options, table } = await optionsOf(step, baseDirectory)
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
  const variable = `MILLRACE_VERIFY_${name.slice(-12).toUpperCase()}`
  const url = new URL(options.url)
  url.pathname = `/${name}`
  const cleanup = stack.move()
  return {
    options: {
      ...(isPostgres ? { schema: name } : { url: url.href }),
      ...(options.password === undefined ? {} : { password: `\${${variable}}` }),
    },
    environment: options.password === undefined ? {} : { [variable]: options.password.reveal() },
    lines: async () => {
      const { rows } = await connection.query(`SELECT * FROM ${target}`, 'reading what was written')
      return rows.map((row) => JSON.stringify(row.map((cell) => (Buffer.isBuffer(cell) ? cell.toString('hex') : cell))))
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  }
}

async function optionsOf(
  { id, connector, options }: SinkStep,
  baseDirectory: string,
): Promise<{ options: SqlOptions; table: string }> {
  const schema = (await loadConnector(connector))?.sink?.options
  assert(schema !== undefined, 'a planned sink has a connector')
  const { options: resolved, findings } = await resolveSecrets(schema, options, ['sinks', id], baseDirectory)
  const [problem] = findings
  if (problem !== undefined) throw new MillraceError(problem.message, { code: 'CONFIG' })
  const parsed = schema.parse(resolved) as SqlOptions
  if (parsed.table !== undefined) return { options: parsed, table: parsed.table }
  throw new MillraceError(`the sink "${id}" (${connector}) writes several tables, which cannot be played`, {
    code: 'CONFIG',
  })
}
