import { after } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { sliceSuite } from '../../testkit/slice-suite.ts'
import { makeDatabase } from '../../testkit/slice-tables.ts'
import { tidbSource } from './slices.ts'

// `npm test` leaves the tests of this folder out where TiDB is not compiled, and says so.
const server = await useDatabase('tidb')
after(() => server[Symbol.asyncDispose]())

sliceSuite(
  {
    name: 'TiDB',
    open: () => makeDatabase(server.url),
    serial: 'bigint AUTO_INCREMENT',
    tableOptions: 'AUTO_ID_CACHE 1',
    columnOfText: 'varchar(100)',
    clock: 'datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)',
    begin: 'BEGIN',
    killOthers: async (tables) => {
      const others = await tables.run(
        'SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()',
      )
      for (const [id] of others) await tables.run(`KILL ${String(id)}`).catch(() => undefined)
    },
    analyze: (table) => `ANALYZE TABLE ${table}`,
  },
  tidbSource,
)
