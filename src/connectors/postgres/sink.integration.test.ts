import { after } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { sqlSinkCases } from '../../testkit/sql-sink-cases.ts'
import { sqlSinkSuite } from '../../testkit/sql-sink-suite.ts'
import { sqlTablesCases } from '../../testkit/sql-tables-cases.ts'
import { anySqlSink } from '../../testkit/sql-target.ts'
import { postgresSink } from './sink.ts'

const server = await useDatabase('postgres')
after(() => server[Symbol.asyncDispose]())

sqlSinkSuite('PostgreSQL', server.url, anySqlSink(postgresSink))
sqlSinkCases('PostgreSQL', server.url, anySqlSink(postgresSink))
sqlTablesCases('PostgreSQL', server.url, anySqlSink(postgresSink))
