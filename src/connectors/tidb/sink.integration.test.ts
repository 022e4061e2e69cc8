import { after, test } from 'node:test'
import { databaseVariable, useDatabase } from '../../../scripts/services/databases.ts'
import { isTidbBuilt } from '../../../scripts/services/tidb.ts'
import { sqlSinkCases } from '../../testkit/sql-sink-cases.ts'
import { sqlSinkSuite } from '../../testkit/sql-sink-suite.ts'
import { anySqlSink } from '../../testkit/sql-target.ts'
import { tidbSink } from './sink.ts'

if ((process.env[databaseVariable('tidb')] ?? '') !== '' || isTidbBuilt()) {
  const server = await useDatabase('tidb')
  after(() => server[Symbol.asyncDispose]())
  sqlSinkSuite('TiDB', server.url, anySqlSink(tidbSink))
  // The embedded storage panics when a connection that waits for a lock is ended.
  sqlSinkCases('TiDB', server.url, anySqlSink(tidbSink), { canKill: false })
} else {
  test('left out: TiDB is not compiled here (node scripts/services/main.ts tidb start)', () => undefined)
}
