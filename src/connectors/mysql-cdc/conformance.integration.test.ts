import { randomUUID } from 'node:crypto'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { Secret } from '../../core/secret.ts'
import { MysqlConnection } from '../../clients/mysql-replication/index.ts'
import { testLaneContext, testSourceContext } from '../../testkit/lane-context.ts'
import { sourceSuite, type OpenedSource } from '../../testkit/source-suite.ts'
import type { SplitAssignment } from '../../core/source.ts'
import { mysqlCdcOptions } from './options.ts'
import { MysqlCdcSource } from './source.ts'

const ROWS = 1500

/** Two tables of a database of this test's own. */
async function open(server: 'mariadb' | 'mysql'): Promise<OpenedSource> {
  const service = await useDatabase(server)
  const { hostname, port, username, password } = new URL(service.url)
  const address = {
    host: hostname,
    port: Number(port),
    username,
    password: new Secret(password),
    allowPlaintext: false,
    connectTimeoutMs: 5000,
  }
  const connection = await MysqlConnection.open(address)
  const database = `conformance_${randomUUID().replaceAll('-', '')}`
  await connection.query(`CREATE DATABASE ${database}`)
  const records: string[] = []
  for (const table of ['left', 'right']) {
    await connection.query(`CREATE TABLE ${database}.\`${table}\` (a int, b varchar(20), v int, PRIMARY KEY (b, a))`)
    const rows = Array.from({ length: ROWS }, (_, at) => ({ a: at % 7, b: `k${at}`, v: at }))
    const values = rows.map(({ a, b, v }) => `(${a}, '${b}', ${v})`).join(', ')
    await connection.query(`INSERT INTO ${database}.\`${table}\` VALUES ${values}`)
    records.push(...rows.map(({ a, b, v }) => `{"__op":0,"a":${a},"b":"${b}","v":${v}}`))
  }
  const source = new MysqlCdcSource(
    mysqlCdcOptions.parse({
      url: `mysql://${hostname}:${port}`,
      username,
      password,
      tables: [`${database}\\..*`],
      fetchSize: 100,
    }),
  )
  // Each reader logs in with ids of its own, as lanes do.
  let readers = 0
  const elsewhere = (splits: readonly SplitAssignment[], place: object): SplitAssignment[] =>
    splits.map((split) => ({
      ...split,
      spec: { ...split.spec, place: { ...(split.spec['place'] as object), ...place } },
    }))
  const isMariadb = server === 'mariadb'
  return {
    records,
    enumerator: () => source.enumerator(testSourceContext({ job: database })),
    reader: () => source.reader(testLaneContext({ job: `${database}${readers++}`, tables: true })),
    refused: (splits) => [
      {
        splits: elsewhere(splits, {
          gtid: isMariadb ? '0-1-99999999999' : '00000000-0000-0000-0000-000000000001:1-5',
        }),
        code: 'POSITION_AHEAD',
      },
      { splits: elsewhere(splits, { flavour: isMariadb ? 'mysql' : 'mariadb' }), code: 'POSITION_LOST' },
    ],
    async [Symbol.asyncDispose]() {
      await connection.query(`DROP DATABASE ${database}`)
      connection.close()
      await service[Symbol.asyncDispose]()
    },
  }
}

sourceSuite('MySQL', () => open('mysql'))
sourceSuite('MariaDB', () => open('mariadb'))
