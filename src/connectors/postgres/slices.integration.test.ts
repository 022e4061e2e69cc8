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
    analyze: (table) => `ANALYZE ${table}`,
  },
  postgresSource,
)
