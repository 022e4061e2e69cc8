/** Records that the reader of their source decodes: a bad one is put aside as it was read, and no other with it. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import avsc from 'avsc'
import { answerOf } from '../../src/cli/testing/answer.ts'
import { KafkaClient, PartitionProducer } from '../../src/clients/kafka/index.ts'
import { Broker } from './faults-kit/broker.ts'
import { JobHome } from './faults-kit/job-home.ts'

let broker: Broker
before(async () => void (broker = await Broker.open()))
after(() => broker[Symbol.asyncDispose]())

interface Answer {
  readonly result: Readonly<Record<string, unknown>>
  readonly findings: readonly { readonly message: string }[]
}

const dlq = (...argv: string[]): Promise<Answer> => answerOf<Answer>('dlq', ...argv)

const COUNT = 300
const SCHEMA = 'schema: {id: bigint, name: varchar}'
const AVRO = {
  type: 'record',
  name: 'Row',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'name', type: 'string' },
  ],
}

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
/** Decoded, and then refused by the SQL of one of the pipelines. */
const FAILING = 200
const FAILING_AT = good.indexOf(FAILING)
const name = (id: number): string => `"${id}\n"`

function linesIn(home: JobHome, folder: string): string[] {
  const directory = path.join(home.directory, folder)
  if (!existsSync(directory)) return []
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((one) =>
    /(^|\/)[^._/][^/]*\.ndjson$/.test(one),
  )
  const text = names.map((one) => readFileSync(path.join(directory, one), 'utf8')).join('')
  return text.split('\n').filter((line) => line !== '')
}

function csv(id: number): string {
  if (!isBad(id)) return `${id},"""${id}\n"""`
  return [`${id},"x"y`, `"${id}`, `${id},x,x`][Math.floor(id / 100)] ?? ''
}

function avro(id: number): Buffer {
  const whole = avsc.Type.forSchema(AVRO as avsc.Schema).toBuffer({ id, name: name(id) })
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
  // One record is decoded, and fails in the SQL: its letter has the bytes of the message all the same.
  const failing = (source: string): string =>
    source === 'avro' ? `CASE WHEN id = ${FAILING} THEN CAST(name AS BIGINT) ELSE id END` : 'id'
  const each = (of: (source: string, text: string, id: string) => string): string =>
    Object.entries(sources)
      .map(([source, text]) => of(source, text, failing(source)))
      .join(', ')
  home.write({
    interval: '100ms',
    sources: each((source, text) => `${source}: {${text}, ${aside}}`),
    transforms: each((source, _, id) => `of_${source}: {from: ${source}, map: {id: "${id}", name: name}, ${aside}}`),
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
    const [rows, put] = source === 'avro' ? [expected.toSpliced(FAILING_AT, 1), [...bad, FAILING]] : [expected, bad]
    assert.deepEqual(linesIn(home, source).toSorted(), rows.toSorted(), source)
    assert.deepEqual(rawOf(source), put.map((id) => raw[source](id).toString('latin1')).toSorted(), source)
  }
  const offsets = letters.flatMap(({ source, position }) =>
    source === 'avro' ? [Number((JSON.parse(position) as { offset: string }).offset)] : [],
  )
  assert.deepEqual(
    offsets.toSorted((left, right) => left - right),
    [...bad, FAILING].toSorted((left, right) => left - right),
  )
  assert.deepEqual(
    new Set(letters.map(({ source, reason }) => `${source}: ${reason}`)),
    new Set([
      'csv: a quoted field does not end before a delimiter or the line end',
      'csv: the record has 3 fields, the schema has 2 columns',
      'avro: its Avro value is cut off',
      'avro: the SQL fails on this row (Conversion Error)',
      'changes: its op "?" is unknown',
      'changes: a comma between two JSON members was expected',
    ]),
  )

  // Each is driven in as what it was, and the others stay as they are.
  const file = path.join(home.directory, 'job.yaml')
  const refused = await dlq('retry', file, '--step', 'changes')
  assert.match(refused.findings[0]?.message ?? '', /a change \(debezium-json\) is not driven in again/)
  const unread = await dlq('retry', file, '--step', 'avro')
  const { retried, left } = unread.result as { retried: number; left: readonly { reason: string }[] }
  assert.deepEqual([retried, left.length, left[0]?.reason], [0, 3, 'its Avro value is cut off'])
  const repair = (step: string, text: (id: number) => string): Promise<Answer> => {
    home.put('repaired', `${bad.map(text).join('\n')}\n`)
    return dlq('retry', file, '--step', step, '--with', path.join(home.directory, 'repaired'))
  }
  await repair('csv', (id) => `${id},"""repaired"""`)
  await repair('avro', (id) => JSON.stringify({ id, name: 'repaired' }))
  const repaired = (text: string): string[] => bad.map((id) => JSON.stringify({ id, name: text }))
  assert.deepEqual(linesIn(home, 'csv').toSorted(), [...expected, ...repaired('"repaired"')].toSorted())
  const avroRows = [...expected.toSpliced(FAILING_AT, 1), ...repaired('repaired')]
  assert.deepEqual(linesIn(home, 'avro').toSorted(), avroRows.toSorted())

  // It is read again as what it was, and fails again.
  assert.equal((await dlq('retry', file, '--step', 'of_avro')).result['retried'], 1)
  const [again] = (await dlq('show', file, '--step', 'of_avro')).result['letters'] as { attempt: number }[]
  assert.equal(again?.attempt, 2)
  assert.equal((await dlq('list', file)).result['letters'], 4)
})
