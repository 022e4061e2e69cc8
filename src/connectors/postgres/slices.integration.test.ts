import { after } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { sliceSuite } from '../../testkit/slice-suite.ts'
import { makeDatabase } from '../../testkit/slice-tables.ts'
import { postgresSource } from './slices.ts'

const server = await useDatabase('postgres')
after(() => server[Symbol.asyncDispose]())

sliceSuite(
  {
    name: 'Postgres',
    open: () => makeDatabase(server.url),
    serial: 'bigserial',
    tableOptions: '',
    columnOfText: 'text',
    clock: 'timestamptz NOT NULL DEFAULT now()',
    begin: 'BEGIN',
    killOthers: async (tables) =>
      void (await tables.run(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      )),
    analyze: (table) => `ANALYZE ${table}`,
  },
  postgresSource,
)
