import { after } from 'node:test'
import { PostgresConnection } from '../../clients/postgres/index.ts'
import { Secret } from '../../core/secret.ts'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { sliceSuite } from '../../testkit/slice-suite.ts'
import { makeDatabase, type SliceDatabase, type SqlSession } from '../../testkit/slice-tables.ts'
import { postgresSource } from './slices.ts'

const server = await useDatabase('postgres')
after(() => server[Symbol.asyncDispose]())

function open(): Promise<SliceDatabase> {
  return makeDatabase(server.url, async ({ hostname, port, username, password, pathname }): Promise<SqlSession> => {
    const address = { host: hostname, port: Number(port), user: username, password: new Secret(password) }
    const connection = await PostgresConnection.open({ ...address, database: pathname.slice(1) })
    return {
      run: async (sql) => (await connection.query(sql)).rows,
      [Symbol.asyncDispose]: async () => await connection.close(),
    }
  })
}

sliceSuite(
  {
    name: 'Postgres',
    open,
    serial: 'bigserial',
    columnOfText: 'text',
    clock: 'timestamptz NOT NULL DEFAULT now()',
    begin: 'BEGIN',
    analyze: (table) => `ANALYZE ${table}`,
  },
  postgresSource,
)
