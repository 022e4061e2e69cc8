import { after, before } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { testLaneContext, testSourceContext } from '../../testkit/lane-context.ts'
import { sourceSuite, type OpenedSource } from '../../testkit/source-suite.ts'
import { postgresCdcOptions } from './options.ts'
import { PostgresCdcSource } from './source.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'

const ROWS = 1200

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

async function open(): Promise<OpenedSource> {
  const database = await PostgresDatabase.create(server.url)
  await database.sql('CREATE TABLE rows (id int PRIMARY KEY, word text)')
  await database.sql(`INSERT INTO rows SELECT n, 'word ' || n FROM generate_series(1, ${ROWS}) n`)
  await database.sql('ANALYZE rows')
  const options = postgresCdcOptions.parse({ ...database.options, table: 'rows', end: 'snapshot', chunkRows: 100 })
  const source = new PostgresCdcSource(options)
  return {
    records: Array.from({ length: ROWS }, (_, at) => `{"id":${at + 1},"word":"word ${at + 1}","__op":0}`),
    enumerator: () => source.enumerator(testSourceContext()),
    reader: () => source.reader(testLaneContext()),
    refused: (splits) => {
      const other = (change: object): typeof splits =>
        splits.map((split) => ({ ...split, spec: { ...split.spec, ...change } }))
      return [
        { splits: other({ system: '1' }), code: 'POSITION_LOST' },
        { splits: other({ oid: 1 }), code: 'POSITION_LOST' },
      ]
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

sourceSuite('Postgres', open)
