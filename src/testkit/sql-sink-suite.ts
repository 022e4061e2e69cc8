import { describe } from 'node:test'
import { testCoordinatorContext, testLaneContext } from './lane-context.ts'
import { forgetfulSinkSuite, sinkSuite, type OpenedSink } from './sink-suite.ts'
import { LaneTables, makeSqlSink, openSqlTarget, type AnySqlSink } from './sql-target.ts'

const SCHEMA = [
  { name: 'id', type: 'bigint', nullable: false },
  { name: 'name', type: 'varchar', nullable: true },
]

/** What every SQL sink promises as a sink, in its modes, on a real server. */
export function sqlSinkSuite(name: string, serverUrl: string, connector: AnySqlSink): void {
  describe(name, () => {
    sinkSuite('transactional by key', () => open(serverUrl, connector, { mode: 'transactional', key: ['id'] }))
    sinkSuite('transactional without a key', () => open(serverUrl, connector, { mode: 'transactional' }))
    if ((process.env['MILLRACE_FULL'] ?? '') !== '') {
      const pieces = { mode: 'transactional', key: ['id'], apply: 'chunks' }
      sinkSuite('transactional in pieces', () => open(serverUrl, connector, pieces))
    }
    forgetfulSinkSuite('upsert', () => open(serverUrl, connector, { key: ['id'] }))
  })
}

async function open(
  serverUrl: string,
  connector: AnySqlSink,
  options: Readonly<Record<string, unknown>>,
): Promise<OpenedSink> {
  await using stack = new AsyncDisposableStack()
  const target = stack.use(await openSqlTarget(serverUrl))
  const tables = stack.use(await LaneTables.open())
  const key = 'key' in options ? ', PRIMARY KEY (id)' : ''
  await target.query(`CREATE TABLE numbers (id BIGINT NOT NULL, name VARCHAR(40)${key})`)
  const sink = await makeSqlSink(connector, target, { table: 'numbers', pageRows: 4, connections: 2, ...options })
  const visible = async (): Promise<number[]> =>
    (await target.query('SELECT id FROM numbers ORDER BY id')).map(([id]) => Number(id))
  const all = stack.move()
  return {
    coordinator: () => sink.coordinator(testCoordinatorContext({ schema: SCHEMA, lanes: 2 })),
    writer: (lane) =>
      sink.writer(
        testLaneContext({
          schema: SCHEMA,
          lane,
          lanes: 2,
          format: { kind: 'table' },
          database: async () => tables.database,
        }),
      ),
    batch: (from, to) => tables.batch(`SELECT range AS id, 'row ' || range AS name FROM range(${from}, ${to})`),
    // Rows that are written by key are seen before their checkpoint.
    ...(options['mode'] === undefined ? {} : { visible }),
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  }
}
