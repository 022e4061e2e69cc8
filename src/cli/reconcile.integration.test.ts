import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { useDatabase } from '../../scripts/services/databases.ts'
import { useKafka } from '../../scripts/services/kafka.ts'
import { PartitionProducer } from '../clients/kafka/index.ts'
import { startDorisEmulator } from '../testkit/emulators/doris/index.ts'
import { startStarRocksEmulator } from '../testkit/emulators/starrocks/index.ts'
import { KafkaTarget } from '../testkit/kafka-target.ts'
import { openSqlTarget, type SqlTarget } from '../testkit/sql-target.ts'
import { answerOf } from './testing/answer.ts'

const broker = await useKafka()
const { bootstrap } = broker

after(() => broker[Symbol.asyncDispose]())

interface Envelope {
  readonly result: {
    readonly verifiedThrough: { readonly checkpoint: number; readonly positions: readonly object[] } | null
    readonly sinks: readonly Record<string, unknown>[]
  } | null
  readonly findings: readonly { readonly code: string; readonly message: string }[]
}

const millrace = (...argv: string[]): Promise<Envelope & { readonly code: number }> => answerOf<Envelope>(...argv)

test('what the sinks hold is compared with what the topic makes, and differences are told by their place', async () => {
  await using topic = await KafkaTarget.create(bootstrap, 2)
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-reconcile-test-'))
  const columns = [
    { name: 'id', type: 'BIGINT' },
    { name: 'amount', type: 'DECIMAL(20,4)' },
    { name: 'ts', type: 'DATETIME(6)' },
    { name: '_partition', type: 'INT' },
    { name: '_offset', type: 'BIGINT' },
  ]
  await using emulator = await startStarRocksEmulator({
    queryPort: 0,
    tables: [{ database: 'shop', table: 'clicks', model: 'duplicate', columns }],
  })
  const send = (partition: number, ids: readonly number[]): Promise<unknown> => {
    const values = ids.map((id) => ({
      value: Buffer.from(
        `{"id":${id},"amount":1234567890123456.${1000 + id},"ts":"2024-05-06 07:08:09.12345${id % 10}"}`,
      ),
    }))
    return new PartitionProducer(topic.client).send({ topic: topic.topic, partition }, values)
  }
  await send(0, [0, 1, 2, 3, 0])
  await send(1, [10, 11, 12])
  const file = path.join(directory.path, 'p.yaml')
  await writeFile(
    file,
    `name: clicks
parallelism: 1
checkpoint: {storage: ./state}
sources:
  clicks:
    connector: kafka
    brokers: ['${bootstrap}']
    topics: [${topic.topic}]
    end: latest
    schema: {id: bigint, amount: 'decimal(20,4)', ts: timestamp(6)}
transforms:
  placed: {from: clicks, sql: 'SELECT id, amount, ts, _partition, _offset FROM clicks WHERE id <> 2'}
sinks:
  lines: {from: placed, connector: files, path: ./out, format: json}
  keyed: {from: placed, connector: duckdb, path: ./t.duckdb, table: clicks, key: id}
  rocks: {from: placed, connector: starrocks, url: '${emulator.urls[0]}', database: shop, table: clicks, backends: [${emulator.backends.map((one) => `'${one}'`).join(', ')}]}
`,
  )
  const nothing = await millrace('reconcile', file)
  assert.match(nothing.findings[0]?.message ?? '', /confirmed nothing yet/)
  assert.equal((await millrace('run', file)).code, 0)
  // Behind what the job has read.
  await send(0, [4])

  const reconcile = (...more: string[]): ReturnType<typeof millrace> =>
    millrace('reconcile', file, '--query-url', `mysql://127.0.0.1:${emulator.queryPort}`, ...more)
  const equal = await reconcile()
  assert.deepEqual(
    equal.result?.sinks.map(({ sink, expected, found, missing, extra }) => {
      assert.deepEqual(expected, found)
      return [sink, (found as { rows: number }).rows, missing, extra]
    }),
    [
      ['lines', 7, 0, 0],
      ['keyed', 6, 0, 0],
      ['rocks', 7, 0, 0],
    ],
  )
  assert.equal(equal.code, 0)
  assert.deepEqual(equal.result?.verifiedThrough?.positions, [
    { split: `${topic.topic}/0`, end: '5' },
    { split: `${topic.topic}/1`, end: '3' },
  ])

  const instance = await DuckDBInstance.create(path.join(directory.path, 't.duckdb'))
  const connection = await instance.connect()
  await connection.run('DELETE FROM clicks WHERE id >= 10')
  await connection.run('UPDATE clicks SET amount = amount + 0.0001 WHERE id = 1')
  connection.closeSync()
  instance.closeSync()
  const keyed = await reconcile('--sink', 'keyed')
  assert.equal(keyed.code, 77)
  assert.equal(keyed.result?.verifiedThrough, null)
  assert.deepEqual(keyed.result?.sinks[0]?.['ranges'], [
    { partition: '0', from: '1', to: '1', missing: 1, extra: 1 },
    { partition: '1', from: '0', to: '2', missing: 3, extra: 0 },
  ])
})

test('rows of a lake, of Doris and of SQL servers are compared by value, whatever each of them makes of a type', async () => {
  await using topic = await KafkaTarget.create(bootstrap, 1)
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-reconcile-test-'))
  const columns = [
    { name: 'id', type: 'BIGINT' },
    { name: 'name', type: 'VARCHAR(50)' },
    { name: 'amount', type: 'DECIMAL(20,4)' },
    { name: 'ts', type: 'DATETIME(6)' },
  ]
  await using emulator = await startDorisEmulator({
    queryPort: 0,
    tables: [{ database: 'shop', table: 'clicks', model: 'duplicate', columns }],
  })
  await using mariadb = await useDatabase('mariadb')
  await using postgres = await useDatabase('postgres')
  await using mysqlTable = await openSqlTarget(mariadb.url)
  await using postgresTable = await openSqlTarget(postgres.url)
  const types = (time: string): string => `id BIGINT, name VARCHAR(50), amount DECIMAL(20,4), ts ${time}`
  await mysqlTable.query(`CREATE TABLE clicks (${types('DATETIME(6)')})`)
  await postgresTable.query(`CREATE TABLE clicks (${types('TIMESTAMP(6)')})`)
  const values = [0, 1, 2].map((id) => ({
    value: Buffer.from(
      `{"id":${id},"name":${id === 2 ? 'null' : '"ü \\\\ \'"'},"amount":-0.${1000 + id},"ts":"2024-05-06 07:08:09.12000${id}"}`,
    ),
  }))
  await new PartitionProducer(topic.client).send({ topic: topic.topic, partition: 0 }, values)
  const sql = ({ url, username, password }: SqlTarget): string =>
    `url: '${url}', username: ${username}, password: ${password}, table: clicks`
  const file = path.join(directory.path, 'p.yaml')
  await writeFile(
    file,
    `name: clicks
parallelism: 1
checkpoint: {storage: ./state, maxDowntime: 10m}
sources:
  clicks:
    connector: kafka
    brokers: ['${bootstrap}']
    topics: [${topic.topic}]
    end: latest
    schema: {id: bigint, name: varchar, amount: 'decimal(20,4)', ts: timestamp(6)}
sinks:
  lake: {from: clicks, connector: hudi, path: ./lake, table: clicks, partitionBy: ['CAST(ts AS DATE) AS dt']}
  doris: {from: clicks, connector: doris, url: '${emulator.urls[0]}', database: shop, table: clicks, backends: [${emulator.backends.map((one) => `'${one}'`).join(', ')}]}
  maria: {from: clicks, connector: mysql, ${sql(mysqlTable)}}
  pg: {from: clicks, connector: postgres, ${sql(postgresTable)}}
`,
  )
  const run = await millrace('run', file)
  assert.equal(run.code, 0, JSON.stringify(run.findings))
  const reconcile = (...more: string[]): Promise<Envelope & { readonly code: number }> =>
    millrace('reconcile', file, '--query-url', `mysql://127.0.0.1:${emulator.queryPort}`, ...more)
  const equal = await reconcile()
  assert.deepEqual(
    equal.result?.sinks.map(({ sink, found, missing, extra }) => [
      sink,
      (found as { rows: number }).rows,
      missing,
      extra,
    ]),
    [
      ['lake', 3, 0, 0],
      ['doris', 3, 0, 0],
      ['maria', 3, 0, 0],
      ['pg', 3, 0, 0],
    ],
    JSON.stringify(equal.findings),
  )
  await mysqlTable.query("UPDATE clicks SET ts = '2024-05-06 07:08:09.120009' WHERE id = 2")
  await postgresTable.query('DELETE FROM clicks WHERE name IS NULL')
  const different = await reconcile()
  assert.equal(different.code, 77)
  assert.deepEqual(
    different.result?.sinks.map(({ sink, missing, extra }) => [sink, missing, extra]),
    [
      ['lake', 0, 0],
      ['doris', 0, 0],
      ['maria', 1, 1],
      ['pg', 1, 0],
    ],
  )
})
