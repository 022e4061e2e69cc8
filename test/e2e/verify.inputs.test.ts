/** What `verify --rows-from source` plays: a copy of real records, and what it says of them. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { useDatabase } from '../../scripts/services/databases.ts'
import { useKafka } from '../../scripts/services/kafka.ts'
import { openPipeline } from '../../src/cli/pipelines.ts'
import { PartitionProducer } from '../../src/clients/kafka/index.ts'
import { KafkaTarget } from '../../src/testkit/kafka-target.ts'
import { makeDatabase } from '../../src/testkit/slice-tables.ts'
import { makeInputs, type Input, type RowsFrom } from '../../src/testkit/verify/inputs.ts'
import { makeRowTable, selectRows } from './kit/iceberg-rows.ts'
import { ROW_SCHEMA } from './kit/rows.ts'
import { LogStream } from './sls-kit/log-stream.ts'

async function inputOf(directory: string, source: string, rowsFrom: RowsFrom, limit: number): Promise<Input> {
  const file = path.join(directory, 'p.yaml')
  const sinks = `out: {from: rows, connector: files, path: ./out, format: json}`
  writeFileSync(file, `name: p\nsources: {rows: ${source}}\nsinks: {${sinks}}\n`)
  const { planned, findings } = await openPipeline(file, 'resolve')
  assert.ok(planned !== undefined, JSON.stringify(findings))
  const inputs = path.join(directory, `${rowsFrom}-${limit}`)
  const made = await makeInputs({ plan: planned.plan, directory: inputs, rows: 30, seed: 1, rowsFrom, limit })
  const input = made.get('rows')
  assert.ok(input !== undefined)
  return input
}

/** Of the files of an input, in their order. */
function linesOf({ options }: Input): string[][] {
  const directory = path.dirname(String(options['path']))
  const files = readdirSync(directory).sort()
  return files.map((name) => readFileSync(path.join(directory, name), 'utf8').trim().split('\n'))
}

test('the first and the last records of a topic are read, bytes as they are, each partition in its order', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-inputs-test-'))
  await using broker = await useKafka()
  await using topic = await KafkaTarget.create(broker.bootstrap, 2)
  for (const partition of [0, 1]) {
    const values = [0, 1, 2, 3, 4].map((n) => ({
      value: Buffer.from(`{"n": ${partition}${n}, "big":9007199254740993}`),
    }))
    await new PartitionProducer(topic.client).send({ topic: topic.topic, partition }, values)
  }
  const source = `{connector: kafka, brokers: ['${broker.bootstrap}'], topics: [${topic.topic}]}`
  const everything = await inputOf(directory.path, source, 'source', 100)
  assert.equal(everything.rows, 10)
  assert.deepEqual(linesOf(everything)[0]?.length, 5)
  assert.ok(linesOf(everything).flat().includes('{"n": 14, "big":9007199254740993}'))
  assert.equal((await inputOf(directory.path, source, 'source', 3)).rows, 3)

  const last = await inputOf(directory.path, source, 'source-end', 4)
  const values = linesOf(last)
    .flat()
    .map((line) => /"n": (\d+)/.exec(line)?.[1])
  assert.deepEqual(
    values.map(String).toSorted((a, b) => (a < b ? -1 : 1)),
    ['03', '04', '13', '14'],
  )
  assert.ok(last.told.includes(`2 of ${topic.topic}/0 from {"offset":"3"`), last.told)
})

test('rows of tables are kept in Parquet files with their types', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-inputs-test-'))
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const from = `'${path.join(directory.path, 'in.parquet')}'`
  await connection.run(`COPY (SELECT i::BIGINT AS id, (i / 4)::DECIMAL(20,4) AS price FROM range(50) t(i)) TO ${from}`)
  const input = await inputOf(directory.path, `{connector: file, path: ${from}, format: parquet}`, 'source', 20)
  const kept = await connection.runAndReadAll(
    `SELECT count(*), max(id), typeof(any_value(price)) FROM '${String(input.options['path'])}'`,
  )
  assert.deepEqual([input.rows, kept.getRows()[0]?.map(String)], [20, ['20', '19', 'DECIMAL(20,4)']])
  connection.closeSync()
  instance.closeSync()
})

test('logs of a logstore are read, the first of each shard or the last', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-inputs-test-'))
  await using stream = await LogStream.open({ parts: 4, shards: 2 })
  await stream.append(60)
  for (const schema of ['', `, schema: ${ROW_SCHEMA}`]) {
    const source = `{${stream.options}${schema}}`
    const first = await inputOf(directory.path, source, 'source', 30)
    assert.equal(first.rows, 30)
    assert.match(first.told, /30 of its own rows: \d+ of logs\/\d from/)
    const last = await inputOf(directory.path, source, 'source-end', 30)
    assert.equal(last.rows, 30)
    if (schema === '')
      assert.ok(
        linesOf(last)
          .flat()
          .every((line) => Number(/"seq":"?(\d+)/.exec(line)?.[1]) > 39),
      )
  }
})

test('rows of a snapshot are read, also of a table that is followed', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-inputs-test-'))
  await using table = await makeRowTable(directory.path)
  await table.append([selectRows(0, 40), selectRows(1, 40)])
  for (const more of ['', ', follow: true', ', follow: true, changes: changes']) {
    const { rows, told } = await inputOf(directory.path, `{connector: iceberg, table: ./table${more}}`, 'source', 50)
    assert.equal(rows, 50, told)
  }
})

for (const kind of ['mariadb', 'postgres'] as const) {
  test(`rows of a table in ${kind} are read slice by slice`, async () => {
    await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-inputs-test-'))
    await using server = await useDatabase(kind)
    await using database = await makeDatabase(server.url)
    await database.run('CREATE TABLE orders (id BIGINT PRIMARY KEY, price DECIMAL(20,4), word VARCHAR(20))')
    const values = Array.from({ length: 50 }, (_, id) => `(${id}, ${id}.0625, ${id % 5 === 0 ? 'NULL' : "'naïve'"})`)
    await database.run(`INSERT INTO orders VALUES ${values.join()}`)
    const { url, username, password } = database.address
    const address = `url: '${String(url)}', username: ${String(username)}, password: '${String(password)}'`
    const connector = kind === 'postgres' ? 'postgres' : 'mysql'
    const source = `{connector: ${connector}, ${address}, table: orders, column: id}`
    const some = await inputOf(directory.path, source, 'source', 20)
    assert.equal(some.rows, 20, some.told)
    const all = await inputOf(directory.path, source, 'source', 100)
    assert.equal(all.rows, 50, all.told)
    assert.ok(
      linesOf(all)
        .flat()
        .some((line) => line.includes('49.0625')),
    )
  })
}

test('the log of a database is not read: rows are generated, and the certificate says so', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-inputs-test-'))
  const address = 'url: mysql://nowhere:3306/shop, username: u, password: p'
  const source = `{connector: mysql-cdc, ${address}, table: shop.orders, schema: {id: bigint}}`
  const input = await inputOf(directory.path, source, 'source', 20)
  assert.equal(input.rows, 30)
  assert.match(input.told, /generated rows .*log of a database is not read/)
})

test('a source without rows is named', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-inputs-test-'))
  writeFileSync(path.join(directory.path, 'empty.ndjson'), '')
  const source = `{connector: file, path: ./empty.ndjson, format: json}`
  await assert.rejects(inputOf(directory.path, source, 'source', 20), /"rows" \(file\) gave no rows to play with/)
})
