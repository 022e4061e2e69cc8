import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SinkAsk } from '../../../core/connector.ts'
import { secret } from '../../../core/options.ts'
import { keyOrder } from './key-order.ts'
import type { LoadSinkOptions } from './load-options.ts'

const OPTIONS: LoadSinkOptions = {
  url: ['http://fe:8030'],
  allowPlaintext: false,
  database: 'd',
  table: 't',
  username: 'root',
  password: secret().parse(''),
  compression: 'none',
  labelPrefix: 'millrace',
  loadBytesMax: 1,
  writers: 2,
  key: ['id', 'a "b"'],
  durableStaging: false,
  serverPreparedTimeout: 1,
  serverLabelKeep: 1,
  properties: {},
  queryUrl: [],
  createTables: true,
  tableProperties: {},
  schemaChange: 'lenient',
}

const ASK: SinkAsk = {
  schema: [
    { name: 'id', type: 'bigint', nullable: false },
    { name: 'a "b"', type: 'varchar', nullable: false },
  ],
  lanes: 2,
  times: { intervalMs: 1, timeoutMs: 1, maxDowntimeMs: 1, retained: 1 },
  delivery: 'two-phase',
}

test('several writers of a table with a key get the rows of each key in one of them', () => {
  const { routing, assumptions, findings } = keyOrder(OPTIONS, ASK)
  assert.deepEqual([routing?.key, routing?.together], [['"id"', '"a ""b"""'], 'must'])
  assert.match(routing?.why ?? '', /of rows of one key from several splits the last to arrive wins/)
  assert.deepEqual([assumptions, findings], [[], []])
})

test('one writer, one lane, no key or an accepted assumption need no exchange', () => {
  assert.equal(keyOrder({ ...OPTIONS, writers: 'auto' }, ASK).routing, undefined)
  assert.match(keyOrder({ ...OPTIONS, writers: 'auto' }, ASK).note, /last to arrive wins/)
  assert.deepEqual(keyOrder(OPTIONS, { ...ASK, lanes: 1 }), { assumptions: [], note: '', findings: [] })
  assert.deepEqual(keyOrder({ ...OPTIONS, key: undefined }, ASK), { assumptions: [], note: '', findings: [] })
  const accepted = keyOrder(OPTIONS, { ...ASK, accepted: ['one-split-per-key'] })
  assert.deepEqual([accepted.routing, accepted.assumptions], [undefined, ['one-split-per-key']])
})

test('a key that is no column, or a floating-point number, is refused', () => {
  const schema = [{ name: 'id', type: 'double', nullable: false }]
  const messages = keyOrder(OPTIONS, { ...ASK, schema }).findings.map(({ message }) => message)
  assert.deepEqual(messages, ['the key column id is a floating-point number', 'there is no column a "b" to be a key'])
})
