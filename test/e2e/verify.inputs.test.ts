/** What `verify --rows-from source` plays: a copy of real records, and what it says of them. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { useKafka } from '../../scripts/services/kafka.ts'
import { openPipeline } from '../../src/cli/pipelines.ts'
import { PartitionProducer } from '../../src/clients/kafka/index.ts'
import { KafkaTarget } from '../../src/testkit/kafka-target.ts'
import { makeInputs, type Input, type RowsFrom } from '../../src/testkit/verify/inputs.ts'

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
