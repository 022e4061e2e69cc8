import { after } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { sqlSinkCases } from '../../testkit/sql-sink-cases.ts'
import { sqlSinkSuite } from '../../testkit/sql-sink-suite.ts'
import { sqlTablesCases } from '../../testkit/sql-tables-cases.ts'
import { anySqlSink } from '../../testkit/sql-target.ts'
import { tidbSink } from './sink.ts'

// `npm test` leaves the tests of this folder out where TiDB is not compiled, and says so.
const server = await useDatabase('tidb')
after(() => server[Symbol.asyncDispose]())
sqlSinkSuite('TiDB', server.url, anySqlSink(tidbSink))
// The embedded storage panics when a connection that waits for a lock is ended.
sqlSinkCases('TiDB', server.url, anySqlSink(tidbSink), { canKill: false })
sqlTablesCases('TiDB', server.url, anySqlSink(tidbSink))
