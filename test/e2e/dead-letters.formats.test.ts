/** Records that the reader of their source decodes: a bad one is put aside as it was read, and no other with it. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import avsc from 'avsc'
import { KafkaClient, PartitionProducer } from '../../src/clients/kafka/index.ts'
import { Broker } from './faults-kit/broker.ts'
import { JobHome } from './faults-kit/job-home.ts'

let broker: Broker
before(async () => void (broker = await Broker.open()))
after(() => broker[Symbol.asyncDispose]())

const COUNT = 300
const SCHEMA = 'schema: {id: bigint, name: varchar}'
const AVRO = {
  type: 'record',
  name: 'Row',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'name', type: 'string' },
  ],
} as const

interface Letter {
  readonly source: string
  readonly position: string
  readonly reason: string
  readonly raw: string
  readonly encoding: 'utf8' | 'base64'
}

/** One record in a hundred is bad, and differs from the other bad ones. */
const isBad = (id: number): boolean => id % 100 === 17
const good = Array.from({ length: COUNT }, (_, id) => id).filter((id) => !isBad(id))
const bad = Array.from({ length: COUNT }, (_, id) => id).filter(isBad)
const name = (id: number): string => `"${id}\n"`

function linesIn(home: JobHome, folder: string): string[] {
  const directory = path.join(home.directory, folder)
  if (!existsSync(directory)) return []
  const names = readdirSync(directory).filter((one) => one.endsWith('.ndjson') && !one.startsWith('.'))
  const text = names.map((one) => readFileSync(path.join(directory, one), 'utf8')).join('')
  return text.split('\n').filter((line) => line !== '')
}

function csv(id: number): string {
  if (!isBad(id)) return `${id},"""${id}\n"""`
  return [`${id},"x"y`, `"${id}`, `${id},x,x`][Math.floor(id / 100)] ?? ''
}

function avro(id: number): Buffer {
  const whole = avsc.Type.forSchema(AVRO).toBuffer({ id, name: name(id) })
  return isBad(id) ? whole.subarray(0, -1) : whole
}

function debezium(id: number): Buffer {
  const source = { db: 'shop', table: 'rows' }
  const text = JSON.stringify({ before: null, after: { id, name: name(id) }, source, op: isBad(id) ? '?' : 'c' })
  return Buffer.from(isBad(id) && id > 100 ? text.slice(0, -1) : text)
}

async function fill(values: readonly Buffer[]): Promise<string> {
  await using client = new KafkaClient({ brokers: [broker.address] })
  const topic = await broker.createTopic(1)
  const records = values.map((value, id) => ({ key: Buffer.from(`{"id":${id}}`), value }))
  await new PartitionProducer(client).send({ topic, partition: 0 }, records)
  return topic
}

test('bad records of CSV, Avro and Debezium are put aside once each, as they were read, also when the job is killed', async () => {
  await using home = await JobHome.create()
  const ids = Array.from({ length: COUNT }, (_, id) => id)
  home.put('in/rows.csv', `id,name\n${ids.map(csv).join('\n')}\n`)
  home.put('row.avsc', JSON.stringify(AVRO))
  const kafka = async (values: readonly Buffer[]): Promise<string> =>
    `connector: kafka, brokers: ['${broker.address}'], topics: [${await fill(values)}], end: latest`
  const aside = 'deadLetter: {to: bad}'
  const sources = {
    csv: `connector: file, path: ./in, format: csv, ${SCHEMA}`,
    avro: `${await kafka(ids.map(avro))}, format: avro, schemaFile: ./row.avsc`,
    changes: `${await kafka(ids.map(debezium))}, format: debezium-json, table: shop.rows, ${SCHEMA}`,
  }
  const each = (of: (source: string, text: string) => string): string =>
    Object.entries(sources)
      .map(([source, text]) => of(source, text))
      .join(', ')
  home.write({
    interval: '100ms',
    sources: each((source, text) => `${source}: {${text}, ${aside}}`),
    transforms: each((source) => `of_${source}: {from: ${source}, map: {id: id, name: name}}`),
    sinks: `${each((source) => `out_${source}: {from: of_${source}, connector: files, path: ./${source}, format: json}`)}, bad: {connector: files, path: ./bad, format: json}`,
  })
  await using killed = home.run({ MILLRACE_FAILPOINTS: 'commit:sent@1=kill' })
  assert.equal((await killed.ended()).signal, 'SIGKILL', killed.err)
  await using last = home.run()
  assert.equal((await last.ended()).code, 0, last.err)

  const expected = good.map((id) => JSON.stringify({ id, name: name(id) }))
  const letters = linesIn(home, 'bad').map((line) => JSON.parse(line) as Letter)
  const rawOf = (source: string): string[] =>
    letters
      .filter((letter) => letter.source === source)
      .map(({ raw, encoding }) => Buffer.from(raw, encoding).toString('latin1'))
      .toSorted()
  const raw = { csv: (id: number) => Buffer.from(csv(id)), avro, changes: debezium }
  for (const source of ['csv', 'avro', 'changes'] as const) {
    assert.deepEqual(linesIn(home, source).toSorted(), expected.toSorted(), source)
    assert.deepEqual(rawOf(source), bad.map((id) => raw[source](id).toString('latin1')).toSorted(), source)
  }
  const offsets = letters.flatMap(({ source, position }) =>
    source === 'avro' ? [Number((JSON.parse(position) as { offset: string }).offset)] : [],
  )
  assert.deepEqual(offsets, bad)
  assert.deepEqual(
    new Set(letters.map(({ source, reason }) => `${source}: ${reason}`)),
    new Set([
      'csv: a quoted field does not end before a delimiter or the line end',
      'csv: the record has 3 fields, the schema has 2 columns',
      'avro: its Avro value is cut off',
      'changes: its op "?" is unknown',
      'changes: a comma between two JSON members was expected',
    ]),
  )
})
