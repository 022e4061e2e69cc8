/** Rows through a real broker in every format that is written: what is read back is what was there. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { useKafka } from '../../scripts/services/kafka.ts'
import { runProgram } from '../../src/cli/program.ts'
import { KafkaTarget } from '../../src/testkit/kafka-target.ts'
import { SchemaRegistryServer } from '../../src/testkit/schema-registry.ts'

const broker = await useKafka()
const { bootstrap } = broker

after(() => broker[Symbol.asyncDispose]())

async function run(file: string): Promise<void> {
  let out = ''
  const write = (text: string | Uint8Array): boolean => ((out += String(text)), true)
  const code = await runProgram(['run', file], {
    version: '1.2.3',
    environment: {},
    stdout: { isTTY: false, write },
    stderr: { isTTY: false, write },
    signals: () => ({ stop: new AbortController().signal, kill: new AbortController().signal }),
  })
  assert.equal(code, 0, out)
}

const ROWS = [
  { id: '9007199254740993', name: '"ü"', amount: '"1234567890123456.7890"', ts: '"2024-01-02 03:04:05.123456"' },
  { id: '-1', name: 'null', amount: '"0.0001"', ts: '"1969-12-31 23:59:59.999999"' },
].map(({ id, name, amount, ts }) => `{"id":${id},"name":${name},"amount":${amount},"ts":${ts}}`)

test('Avro, Protobuf and Debezium’s envelope come back as they were', async () => {
  await using registry = await SchemaRegistryServer.start()
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-formats-'))
  await using avro = await KafkaTarget.create(bootstrap, 1)
  await using protobuf = await KafkaTarget.create(bootstrap, 1)
  await using debezium = await KafkaTarget.create(bootstrap, 1)
  const at = (name: string): string => path.join(directory.path, name)
  await writeFile(at('in.ndjson'), ROWS.map((row) => `${row}\n`).join(''))
  const kafka = `connector: kafka, brokers: ['${bootstrap}']`
  const binary = `registry: {url: '${registry.url}'}`
  const schema = `{id: bigint, name: varchar, amount: 'decimal(20,4)', ts: timestamp(6)}`
  await writeFile(
    at('write.yaml'),
    `name: write
parallelism: 1
checkpoint: {storage: ./state, maxDowntime: 5m}
sources:
  rows: {connector: file, path: ./in.ndjson, schema: ${schema}}
sinks:
  avro: {from: rows, ${kafka}, topic: ${avro.topic}, format: avro, key: id, ${binary}}
  protobuf: {from: rows, ${kafka}, topic: ${protobuf.topic}, format: protobuf, ${binary}}
  debezium: {from: rows, ${kafka}, topic: ${debezium.topic}, format: debezium-json, key: id, table: shop.orders}
`,
  )
  const source = (topic: KafkaTarget, format: string, more: string): string =>
    `{${kafka}, topics: [${topic.topic}], format: ${format}, end: latest, ${more}}`
  await writeFile(
    at('read.yaml'),
    `name: read
parallelism: 1
checkpoint: {storage: ./state}
sources:
  a: ${source(avro, 'avro', binary)}
  p: ${source(protobuf, 'protobuf', binary)}
  d: ${source(debezium, 'debezium-json', `table: shop.orders, schema: ${schema}`)}
transforms:
  p_typed: {from: p, map: {id: id, name: name, amount: 'amount::DECIMAL(20,4)', ts: 'ts::TIMESTAMP'}}
  a_typed: {from: a, map: {id: id, name: name, amount: amount, ts: ts}}
  d_typed: {from: d, map: {id: id, name: name, amount: amount, ts: ts}}
sinks:
  out_a: {from: a_typed, connector: files, path: ./out/a, format: json}
  out_p: {from: p_typed, connector: files, path: ./out/p, format: json}
  out_d: {from: d_typed, connector: files, path: ./out/d, format: json}
`,
  )
  await run(at('write.yaml'))
  await run(at('read.yaml'))
  const expected = ROWS.map((row) => row.replaceAll(/"amount":"([\d.]+)"/g, '"amount":$1')).toSorted()
  for (const name of ['a', 'p', 'd']) {
    const files = globSync('**/*.ndjson', { cwd: at(`out/${name}`) })
    const lines = files.flatMap((file) =>
      readFileSync(at(`out/${name}/${file}`), 'utf8')
        .trim()
        .split('\n'),
    )
    assert.deepEqual(lines.toSorted(), expected, name)
  }
})
