import { after } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { sqlSinkCases } from '../../testkit/sql-sink-cases.ts'
import { sqlSinkSuite } from '../../testkit/sql-sink-suite.ts'
import { sqlTablesCases } from '../../testkit/sql-tables-cases.ts'
import { anySqlSink } from '../../testkit/sql-target.ts'
import { mysqlSink } from './sink.ts'

const server = await useDatabase('mariadb')
after(() => server[Symbol.asyncDispose]())

sqlSinkSuite('MariaDB', server.url, anySqlSink(mysqlSink))
sqlSinkCases('MariaDB', server.url, anySqlSink(mysqlSink))
sqlTablesCases('MariaDB', server.url, anySqlSink(mysqlSink))
