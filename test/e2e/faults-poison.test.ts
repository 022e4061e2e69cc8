/** A record that cannot be written: exit 71 with its place, nothing of its checkpoint visible, again and again. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Broker } from './faults-kit/broker.ts'
import { halted, JobHome, type Halted } from './faults-kit/job-home.ts'
import { idsOf, openTransactions, sinkOf, startWarehouse } from './faults-kit/warehouse.ts'

let broker: Broker
before(async () => void (broker = await Broker.open()))
after(() => broker[Symbol.asyncDispose]())

const row = (id: number): string => `{"id":${id},"name":"n${id % 100}"}`
const rows = (count: number): string[] => Array.from({ length: count }, (_, id) => row(id))
/** Must never be printed: it stands for what people keep in their tables. */
const CANARY = 'canary-of-a-row'

/** Both starts give the same answer, and nobody sees a row. */
async function haltsTwice(home: JobHome, visible: () => readonly unknown[]): Promise<Halted> {
  await using first = home.run()
  const one = await halted(first)
  await using second = home.run()
  const two = await halted(second)
  assert.deepEqual([one.code, two.code], [71, 71], one.err)
  assert.deepEqual(placeOf(two), placeOf(one), 'the second start names the same record')
  assert.deepEqual(visible(), [])
  assert.equal(home.report()?.code, 'POISON')
  for (const text of [first.out, first.err, second.out, second.err]) assert.ok(!text.includes(CANARY), text)
  return one
}

function placeOf({ event }: Halted): unknown {
  const { split, offset, row: record, file, byte, partition, topic } = event.detail
  return { split, offset, record, file, byte, partition, topic }
}

for (const kind of ['starrocks', 'doris'] as const) {
  test(`${kind}: a row that the server filters is named by topic, partition and offset`, async () => {
    await using home = await JobHome.create()
    await using server = await startWarehouse(kind)
    const topic = await broker.createTopic(2)
    await broker.send(topic, 0, rows(500))
    const values = rows(3000)
    values[1234] = `{"id":null,"name":"${CANARY}"}`
    await broker.send(topic, 1, values)
    home.write({
      parallelism: 2,
      interval: '2s',
      sources: `in: {connector: kafka, brokers: ['${broker.address}'], topics: [${topic}], format: json}`,
      sinks: `out: {from: in, ${sinkOf(kind, server)}}`,
    })
    const { event, err } = await haltsTwice(home, () => idsOf(server))
    assert.match(String(event['message']), /too many filtered rows.*in: split .*\/1, offset 1234/)
    assert.match(err, /offset 1234/)
    assert.deepEqual([event.detail['split'], event.detail['offset']], [`${topic}/1`, '1234'])
    assert.deepEqual(openTransactions(server), [], 'every trial was rolled back')
  })
}

test('a row of a file that the server filters is named by file and byte', async () => {
  await using home = await JobHome.create()
  await using server = await startWarehouse()
  const lines = rows(2000)
  const bad = 777
  lines[bad] = `{"id":1,"name":"${CANARY} that is too long"}`
  home.put('in/rows.ndjson', `${lines.join('\n')}\n`)
  home.write({
    sources: 'in: {connector: file, path: ./in, format: json}',
    sinks: `out: {from: in, ${sinkOf('starrocks', server)}}`,
  })
  const { event } = await haltsTwice(home, () => idsOf(server))
  const byte = Buffer.byteLength(lines.slice(0, bad).join('\n')) + 1
  assert.deepEqual([event.detail['offset'], event.detail['row']], [String(byte), bad])
  assert.match(String(event['message']), new RegExp(`rows.ndjson, byte ${byte}, record ${bad}`))
  assert.deepEqual(openTransactions(server), [])
})

test('the search outlives a hiccup of the server, and names the smallest range when it has to give up', async () => {
  for (const isHiccup of [true, false]) {
    await using home = await JobHome.create()
    await using server = await startWarehouse()
    const lines = rows(100)
    lines[42] = `{"id":null,"name":"${CANARY}"}`
    home.put('in/rows.ndjson', `${lines.join('\n')}\n`)
    home.write({
      sources: 'ev: {connector: file, path: ./in, format: json}',
      sinks: `out: {from: ev, ${sinkOf('starrocks', server)}}`,
    })
    const match = { operation: 'begin', server: 'backend', nth: 4, times: isHiccup ? 1 : 0 } as const
    server.addFault(
      isHiccup ? { match, action: 'drop-reply' } : { match, action: 'status', status: 401, body: 'Access denied' },
    )
    await using job = home.run()
    const { code, event } = await halted(job)
    assert.equal(code, 71, job.err)
    const [range] = event.detail['ranges'] as { from: number; to: number }[]
    // Tried and refused: 0 to 50; accepted: 0 to 25; then the server refuses us.
    assert.deepEqual([range?.from, range?.to], isHiccup ? [42, 43] : [0, 50])
    if (!isHiccup)
      assert.match(
        String(event['message']),
        /one of 50 records: ev: split .*rows\.ndjson, byte 0, record 0 to byte 1121, record 49\./,
      )
    if (isHiccup) assert.deepEqual(openTransactions(server), [])
  }
})

test('offsets with gaps: markers and rolled-back records are counted past', async () => {
  await using home = await JobHome.create()
  await using server = await startWarehouse()
  const topic = await broker.createTopic(1)
  await broker.sendInTransaction(topic, 0, rows(10), 'commit')
  await broker.sendInTransaction(topic, 0, rows(10), 'abort')
  await broker.sendInTransaction(topic, 0, [row(10), `{"id":null,"name":"${CANARY}"}`, row(12)], 'commit')
  home.write({
    sources: `ev: {connector: kafka, brokers: ['${broker.address}'], topics: [${topic}], format: json}`,
    sinks: `out: {from: ev, ${sinkOf('starrocks', server)}}`,
  })
  const { event } = await haltsTwice(home, () => idsOf(server))
  assert.equal(event.detail['offset'], '23', 'ten rows, a marker, ten rows, a marker, one row')
})

test('a bad row behind a confirmed checkpoint leaves that checkpoint visible and everything after it not', async () => {
  await using home = await JobHome.create()
  await using server = await startWarehouse()
  const topic = await broker.createTopic(1)
  await broker.send(topic, 0, rows(100))
  home.write({
    sources: `ev: {connector: kafka, brokers: ['${broker.address}'], topics: [${topic}], format: json, schema: {id: bigint, name: varchar}}`,
    transforms: 'some: {from: ev, sql: "SELECT id, name FROM ev WHERE id <> 50"}',
    sinks: `out: {from: some, ${sinkOf('starrocks', server)}}`,
  })
  await using job = home.run()
  await job.event((event) => event.event === 'confirmed')
  await broker.send(topic, 0, [row(100), row(101), `{"id":102,"name":"${CANARY}"}`, row(103)])
  const { code, event } = await halted(job)
  assert.equal(code, 71)
  assert.deepEqual([event.detail['split'], event.detail['offset']], [`${topic}/0`, '102'])
  assert.equal(idsOf(server).at(-1), 99)
  assert.equal(idsOf(server).length, 99)
  assert.deepEqual(openTransactions(server), [])
})

interface Case {
  readonly name: string
  readonly value: string | null
  readonly sql: boolean
  readonly reason: RegExp
}

const CASES: readonly Case[] = [
  { name: 'a malformed line', value: `{"id":1,"name":"${CANARY}`, sql: true, reason: /offset 3/ },
  {
    name: 'a value that does not fit',
    value: `{"id":"${CANARY}","name":"x"}`,
    sql: true,
    reason: /offset 3.*column id/,
  },
  { name: 'a null value', value: null, sql: false, reason: /partition 0 at offset 3/ },
  { name: 'an empty value', value: '', sql: false, reason: /partition 0 at offset 3/ },
]

for (const { name, value, sql, reason } of CASES) {
  test(`${name} in a topic is named by its offset`, async () => {
    await using home = await JobHome.create()
    const topic = await broker.createTopic(1)
    await broker.send(topic, 0, [row(0), row(1), row(2), value, row(4)])
    home.write({
      sources: `ev: {connector: kafka, brokers: ['${broker.address}'], topics: [${topic}], format: json, schema: {id: bigint, name: varchar}}`,
      ...(sql ? { transforms: 'some: {from: ev, sql: "SELECT id, upper(name) AS name FROM ev"}' } : {}),
      sinks: `out: {from: ${sql ? 'some' : 'ev'}, connector: blackhole}`,
    })
    const { event } = await haltsTwice(home, () => [])
    assert.match(String(event['message']), reason)
    assert.match(String(event['message']), new RegExp(topic))
  })
}

test('a malformed line of a file is named by file and byte', async () => {
  await using home = await JobHome.create()
  home.put('in/rows.ndjson', `${row(0)}\n[${CANARY}]\n${row(2)}\n`)
  home.write({
    sources: 'in: {connector: file, path: ./in, format: json, schema: {id: bigint}}',
    sinks: 'out: {from: in, connector: blackhole}',
  })
  const { event } = await haltsTwice(home, () => [])
  assert.deepEqual(
    [String(event.detail['file']).split('/').at(-1), event.detail['byte']],
    ['rows.ndjson', row(0).length + 1],
  )
})
