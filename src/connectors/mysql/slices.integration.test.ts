import { after } from 'node:test'
import { MysqlConnection } from '../../clients/mysql/index.ts'
import { Secret } from '../../core/secret.ts'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { sliceSuite } from '../../testkit/slice-suite.ts'
import { makeDatabase, type SliceDatabase, type SqlSession } from '../../testkit/slice-tables.ts'
import { mysqlSource } from './slices.ts'

const server = await useDatabase('mariadb')
after(() => server[Symbol.asyncDispose]())

function open(): Promise<SliceDatabase> {
  return makeDatabase(server.url, async ({ hostname, port, username, password, pathname }): Promise<SqlSession> => {
    const address = { host: hostname, port: Number(port), user: username, password: new Secret(password) }
    const connection = await MysqlConnection.open({
      ...address,
      ...(pathname.length > 1 ? { database: pathname.slice(1) } : {}),
    })
    return {
      run: async (sql) => (await connection.query(sql)).rows,
      [Symbol.asyncDispose]: async () => await connection.close(),
    }
  })
}

sliceSuite(
  {
    name: 'MariaDB',
    open,
    serial: 'bigint AUTO_INCREMENT',
    columnOfText: 'varchar(100)',
    clock: 'datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)',
    begin: 'BEGIN',
    analyze: (table) => `ANALYZE TABLE ${table}`,
  },
  mysqlSource,
)
