/** Bad records are put aside, each once, and every good one arrives once, wherever the job is killed. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { KafkaTarget } from '../../src/testkit/kafka-target.ts'
import { Broker } from './faults-kit/broker.ts'
import { halted, JobHome } from './faults-kit/job-home.ts'
import { idsOf, openTransactions, sinkOf, startWarehouse } from './faults-kit/warehouse.ts'
import { Chance } from './kit/chance.ts'

let broker: Broker
before(async () => void (broker = await Broker.open()))
after(() => broker[Symbol.asyncDispose]())

const SCHEMA = 'schema: {id: bigint, name: varchar}'
const LETTERS = 'connector: files, path: ./bad, format: json'

interface Letter {
  readonly split: string
  readonly position: string
  readonly step: string
  readonly attempt: number
  readonly reason: string
  readonly raw: string
}

const row = (id: number): string => `{"id":${id},"name":"n${id % 100}"}`

/** One of a hundred is no JSON, does not fit, or fails in the SQL. */
function isPoison(id: number): boolean {
  return id % 100 === 17
}

function poison(id: number): string {
  return [`{"id":${id}`, `{"id":"x${id}","name":"n"}`, `{"id":${-id},"name":"n"}`][Math.floor(id / 100) % 3] ?? ''
}

function lines(count: number): string[] {
  return Array.from({ length: count }, (_, id) => (isPoison(id) ? poison(id) : row(id)))
}

function lettersIn(home: JobHome): Letter[] {
  const directory = path.join(home.directory, 'bad')
  if (!existsSync(directory)) return []
  const names = readdirSync(directory).filter((name) => name.endsWith('.ndjson') && !name.startsWith('.'))
  const text = names.map((name) => readFileSync(path.join(directory, name), 'utf8')).join('')
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Letter]))
}

const good = (count: number): number[] => Array.from({ length: count }, (_, id) => id).filter((id) => !isPoison(id))
const bad = (count: number): string[] => lines(count).filter((_, id) => isPoison(id))

/** Steps of a checkpoint, in whose order a job that reads a file to its end comes by. */
const KILLS = [
  'chk.barrier:before',
  'sink.flush:before',
  'sink.prepare:after',
  'chk.ack:after',
  'store.manifest.publish:before',
  'store.manifest.publish:after',
  'commit:sent',
  'commit:after',
  'confirm:before',
  'final.publish:after',
  'final.finished:before',
]

test('one poison record in a hundred, and kills: each is put aside once, and all others are there once', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  const count = 3000
  await using home = await JobHome.create()
  await using server = await startWarehouse()
  home.put('in/a.ndjson', `${lines(count).slice(0, 1700).join('\n')}\n`)
  home.put('in/b.ndjson', `${lines(count).slice(1700).join('\n')}\n`)
  home.write({
    parallelism: 2,
    interval: '100ms',
    sources: `ev: {connector: file, path: ./in, format: json, ${SCHEMA}, deadLetter: {to: bad}}`,
    transforms:
      'fit: {from: ev, sql: "SELECT id, CASE WHEN id < 0 THEN CAST(name AS INTEGER)::VARCHAR ELSE name END AS name FROM ev", deadLetter: {to: bad}}',
    sinks: `out: {from: fit, ${sinkOf('starrocks', server)}}, bad: {${LETTERS}}`,
  })
  const kills = process.env['MILLRACE_FULL'] === '1' ? KILLS : chance.sample(KILLS, 4)
  for (const kill of kills) {
    await using run = home.run({ MILLRACE_FAILPOINTS: `${kill}@1=kill` })
    const { code, signal } = await run.ended()
    assert.ok(code === 0 || signal === 'SIGKILL', `${kill}: ${code}\n${run.err}`)
  }
  await using last = home.run()
  assert.equal((await last.ended()).code, 0, last.err)
  assert.deepEqual(idsOf(server), good(count))
  const letters = lettersIn(home)
  assert.deepEqual(letters.map(({ raw }) => raw).sort(), bad(count).sort())
  assert.deepEqual(new Set(letters.map(({ step }) => step)), new Set(['ev', 'fit']))
  assert.deepEqual(openTransactions(server), [])
})

test('rows that a server refuses are found one by one and put aside', async () => {
  await using home = await JobHome.create()
  await using server = await startWarehouse()
  const refused = new Map([
    [7, '{"id":null,"name":"x"}'],
    [300, '{"id":1,"name":"longer than eight"}'],
  ])
  const all = Array.from({ length: 400 }, (_, id) => refused.get(id) ?? row(id))
  home.put('in/rows.ndjson', `${all.join('\n')}\n`)
  home.write({
    sources: 'ev: {connector: file, path: ./in, format: json}',
    sinks: `out: {from: ev, ${sinkOf('starrocks', server)}, deadLetter: {to: bad}}, bad: {${LETTERS}}`,
  })
  await using job = home.run()
  assert.equal((await job.ended()).code, 0, job.err)
  assert.deepEqual(
    idsOf(server),
    Array.from({ length: 400 }, (_, id) => id).filter((id) => !refused.has(id)),
  )
  const letters = lettersIn(home)
  assert.deepEqual(
    letters.map(({ raw, step, position }) => [raw, step, (JSON.parse(position) as { row: number }).row]),
    [...refused].map(([id, raw]) => [raw, 'out', id]),
  )
  assert.match(letters[0]?.reason ?? '', /filtered/)
  assert.deepEqual(openTransactions(server), [])
})

test('from a topic to a topic: dead letters are committed with the transaction of their checkpoint', async () => {
  const count = 1000
  await using home = await JobHome.create()
  const topic = await broker.createTopic(2)
  await broker.send(topic, 0, lines(count))
  await using out = await KafkaTarget.create(broker.address, 1)
  await using letters = await KafkaTarget.create(broker.address, 1)
  const sink = (target: KafkaTarget): string =>
    `connector: kafka, brokers: ['${broker.address}'], topic: ${target.topic}, transactionalIdPrefix: ${target.topic}`
  home.write({
    sources: `ev: {connector: kafka, brokers: ['${broker.address}'], topics: [${topic}], end: latest, format: json, ${SCHEMA}, deadLetter: {to: bad}}`,
    sinks: `out: {from: ev, ${sink(out)}}, bad: {${sink(letters)}}`,
  })
  for (const kill of ['sink.prepare:after', 'commit:sent']) {
    await using run = home.run({ MILLRACE_FAILPOINTS: `${kill}@1=kill` })
    const { code, signal } = await run.ended()
    assert.ok(code === 0 || signal === 'SIGKILL', `${kill}: ${code}\n${run.err}`)
  }
  await using last = home.run()
  assert.equal((await last.ended()).code, 0, last.err)
  const decodable = lines(count).filter((line, id) => !isPoison(id) || line.startsWith('{"id":-'))
  assert.deepEqual(new Set((await out.read()).map(({ value }) => value)), new Set(decodable))
  assert.equal((await out.read()).length, decodable.length)
  const seen = (await letters.read()).map(({ value }) => JSON.parse(value ?? '') as Letter)
  const expected = lines(count).flatMap((line, id) => (isPoison(id) && !line.startsWith('{"id":-') ? [[line, id]] : []))
  assert.deepEqual(
    seen.map(({ raw, position }) => [raw, Number((JSON.parse(position) as { offset: string }).offset)]),
    expected,
  )
  assert.ok(seen.every(({ split, step, attempt }) => split === `${topic}/0` && step === 'ev' && attempt === 1))
})

test('more dead letters than there may be halt the job with 71, and nothing of that checkpoint is visible', async () => {
  await using home = await JobHome.create()
  home.put('in/rows.ndjson', `${lines(1000).join('\n')}\n`)
  const write = (maxRows: number): void =>
    home.write({
      interval: '1h',
      sources: `ev: {connector: file, path: ./in, format: json, ${SCHEMA}, deadLetter: {to: bad, maxRows: ${maxRows}}}`,
      sinks: `out: {from: ev, connector: blackhole}, bad: {${LETTERS}}`,
    })
  write(3)
  await using first = home.run()
  const { code, event } = await halted(first)
  assert.equal(code, 71)
  assert.match(String(event['message']), /dead letters of ev: 7 records were put aside, more than maxRows: 3/)
  assert.deepEqual(lettersIn(home), [])
  write(7)
  await using second = home.run()
  assert.equal((await second.ended()).code, 0, second.err)
  assert.equal(lettersIn(home).length, 7)
})
