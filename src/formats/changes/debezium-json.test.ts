import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChangeCollector } from './change-collector.ts'
import { DebeziumJson } from './debezium-json.ts'
import { BadMessage } from './json-members.ts'
import { placesFromJson, placesToJson, SourceOrder } from './source-order.ts'
import { decodeInto, readChanges, type TestMessage } from '../../testkit/read-changes.ts'

const MYSQL = {
  version: '2.7',
  connector: 'mysql',
  name: 'dbz',
  ts_ms: 1,
  snapshot: 'false',
  db: 'shop',
  table: 'orders',
}
const POSTGRES = { ...MYSQL, connector: 'postgresql', schema: 'public', lsn: 24023128 }

const field = (name: string, type: string, more: object = {}): object => ({
  field: name,
  type,
  optional: true,
  ...more,
})

/** A message with its schema, as `JsonConverter` writes it. */
function withSchema(fields: readonly object[], payload: object): object {
  const row = { type: 'struct', fields, optional: true, name: 'dbz.shop.orders.Value' }
  const schema = {
    type: 'struct',
    fields: [{ ...row, field: 'before' }, { ...row, field: 'after' }, field('op', 'string')],
    optional: false,
    name: 'dbz.shop.orders.Envelope',
  }
  return { schema, payload }
}

const key = (payload: object): object => ({ schema: { type: 'struct', fields: [], optional: false }, payload })

test('rows whose values need nothing go on byte for byte, behind them what to do', () => {
  const fields = [field('id', 'int64', { optional: false }), field('item', 'string')]
  const change = (op: string, before: unknown, after: unknown): TestMessage => ({
    key: key({ id: 1 }),
    value: withSchema(fields, { before, after, source: MYSQL, op, ts_ms: 5 }),
  })
  const lines = readChanges(new DebeziumJson(undefined), [
    change('r', null, { id: 1, item: 'a "b" \u{1F600}' }),
    change('u', { id: 1, item: 'a' }, { id: 1, item: '{"op":"d"}' }),
    change('d', { id: 1, item: 'x' }, null),
    { key: key({ id: 1 }), value: undefined },
  ])
  assert.deepEqual(lines, [
    'create shop.orders(id bigint, item varchar) key id',
    '{"id":1,"item":"a \\"b\\" \u{1F600}","__op":0}',
    '{"id":1,"item":"{\\"op\\":\\"d\\"}","__op":0}',
    '{"id":1,"item":"x","__op":1}',
  ])
})

test('numbers keep all their digits', () => {
  const value = JSON.stringify(withSchema([field('id', 'int64')], { after: { id: 0 }, source: MYSQL, op: 'c' }))
  const [, line] = readChanges(new DebeziumJson(undefined), [
    { key: key({ id: 1 }), value: value.replace('{"id":0}', '{"id":9007199254740993}') },
  ])
  assert.equal(line, '{"id":9007199254740993,"__op":0}')
})

test('values are written as our rows have them, as their schema says', () => {
  const cases: readonly (readonly [object, unknown, string, string])[] = [
    [
      field('d', 'bytes', {
        name: 'org.apache.kafka.connect.data.Decimal',
        parameters: { scale: '2', 'connect.decimal.precision': '12' },
      }),
      '+ga=',
      'decimal(12,2)',
      '"-15.30"',
    ],
    [
      field('big', 'bytes', {
        name: 'org.apache.kafka.connect.data.Decimal',
        parameters: { scale: '30', 'connect.decimal.precision': '65' },
      }),
      'AQ==',
      'varchar',
      '"0.000000000000000000000000000001"',
    ],
    [
      field('v', 'struct', { name: 'io.debezium.data.VariableScaleDecimal' }),
      { scale: 1, value: 'Cg==' },
      'varchar',
      '"1.0"',
    ],
    [field('day', 'int32', { name: 'io.debezium.time.Date' }), -719_162, 'date', '"0001-01-01"'],
    [field('leap', 'int32', { name: 'io.debezium.time.Date' }), 19_782, 'date', '"2024-02-29"'],
    [
      field('ms', 'int64', { name: 'io.debezium.time.Timestamp' }),
      1_700_000_000_123,
      'timestamp(3)',
      '"2023-11-14 22:13:20.123000"',
    ],
    [
      field('us', 'int64', { name: 'io.debezium.time.MicroTimestamp' }),
      -1,
      'timestamp',
      '"1969-12-31 23:59:59.999999"',
    ],
    [field('ns', 'int64', { name: 'io.debezium.time.NanoTimestamp' }), -1, 'timestamp', '"1969-12-31 23:59:59.999999"'],
    [
      field('z', 'string', { name: 'io.debezium.time.ZonedTimestamp' }),
      '2024-01-02T03:04:05.123456Z',
      'timestamp with time zone',
      '"2024-01-02 03:04:05.123456"',
    ],
    [
      field('o', 'string', { name: 'io.debezium.time.ZonedTimestamp' }),
      '2024-01-02T03:04:05+08:00',
      'timestamp with time zone',
      '"2024-01-01 19:04:05"',
    ],
    [field('t', 'int64', { name: 'io.debezium.time.MicroTime' }), -3_020_399_000_001, 'time', '"-838:59:59.000001"'],
    [field('y', 'int32', { name: 'io.debezium.time.Year' }), 2024, 'integer', '2024'],
    [field('u', 'string', { name: 'io.debezium.data.Uuid' }), 'abc', 'uuid', '"abc"'],
    [field('j', 'string', { name: 'io.debezium.data.Json' }), '{"a":1}', 'json', '"{\\"a\\":1}"'],
    [field('n', 'int32', { name: 'io.debezium.time.Date' }), null, 'date', 'null'],
    [field('b', 'boolean'), true, 'boolean', 'true'],
    [field('x', 'bytes'), 'AQID', 'blob', '"AQID"'],
    [field('s', 'string', { parameters: { '__debezium.source.column.length': '20' } }), 'a', 'varchar[20]', '"a"'],
  ]
  for (const [schema, value, type, text] of cases) {
    const { field: name } = schema as { field: string }
    const message = withSchema([schema], { after: { [name]: value }, source: MYSQL, op: 'c' })
    assert.deepEqual(readChanges(new DebeziumJson(undefined), [{ key: key({ [name]: value }), value: message }]), [
      `create shop.orders(${name} ${type}) key ${name}`,
      `{"${name}":${text},"__op":0}`,
    ])
  }
})

test('a delete without its row is made of its key', () => {
  const message = withSchema([field('id', 'int64'), field('a', 'string')], {
    before: null,
    after: null,
    source: MYSQL,
    op: 'd',
  })
  assert.deepEqual(readChanges(new DebeziumJson(undefined), [{ key: key({ id: 7 }), value: message }]).slice(1), [
    '{"id":7,"__op":1}',
  ])
})

test('large values that did not change leave their columns as they are', () => {
  const fields = [field('id', 'int64'), field('note', 'string'), field('raw', 'bytes'), field('n', 'int32')]
  const change = (after: object): TestMessage => ({
    key: key({ id: 1 }),
    value: withSchema(fields, { before: null, after, source: POSTGRES, op: 'u' }),
  })
  const unavailable = '__debezium_unavailable_value'
  const lines = readChanges(new DebeziumJson(undefined), [
    change({ id: 1, note: unavailable, raw: Buffer.from(unavailable).toString('base64'), n: 2 }),
    change({ id: 1, note: `not ${unavailable}`, raw: 'AA==', n: 3 }),
  ])
  assert.deepEqual(lines.slice(1), [
    'id,n: {"id":1,"n":2,"__op":0}',
    '{"id":1,"note":"not __debezium_unavailable_value","raw":"AA==","n":3,"__op":0}',
  ])
})

test('another shape is told between the rows, once for each; what is missing is not told to be dropped', () => {
  const change = (names: readonly string[]): TestMessage => ({
    key: key({ id: 1 }),
    value: withSchema(
      names.map((name) => field(name, 'int64')),
      { after: Object.fromEntries(names.map((name) => [name, 1])), source: MYSQL, op: 'c' },
    ),
  })
  const lines = readChanges(new DebeziumJson(undefined), [
    change(['id']),
    change(['id', 'a']),
    change(['id']),
    change(['id', 'a']),
  ])
  assert.deepEqual(lines, [
    'create shop.orders(id bigint) key id',
    '{"id":1,"__op":0}',
    'add-columns shop.orders(id bigint, a bigint) key id',
    '{"id":1,"a":1,"__op":0}',
    '{"id":1,"__op":0}',
    '{"id":1,"a":1,"__op":0}',
  ])
})

test('messages without their schema are read by the columns of the pipeline', () => {
  const schema = [
    { name: 'id', type: 'bigint', nullable: false },
    { name: 'day', type: 'date', nullable: true },
    { name: 'at', type: 'timestamp(3)', nullable: true },
    { name: 'at6', type: 'timestamp', nullable: true },
    { name: 'amount', type: 'decimal(10,2)', nullable: true },
    { name: '__op', type: 'tinyint', nullable: false },
  ]
  const after = { id: 1, day: 1, at: 1000, at6: 1_000_000, amount: 'AfQ=' }
  const value = { before: null, after, source: MYSQL, op: 'c', ts_ms: 1 }
  assert.deepEqual(readChanges(new DebeziumJson(schema), [{ key: { id: 1 }, value }]).slice(1), [
    '{"id":1,"day":"1970-01-02","at":"1970-01-01 00:00:01","at6":"1970-01-01 00:00:01","amount":"5.00","__op":0}',
  ])
  assert.throws(() => readChanges(new DebeziumJson(undefined), [{ key: { id: 1 }, value }]), BadMessage)
})

test('heartbeats, statements and messages of others are passed over, a truncated table is told', () => {
  const fields = [field('id', 'int64')]
  const truncate = withSchema(fields, { before: null, after: null, source: POSTGRES, op: 't' })
  assert.deepEqual(
    readChanges(new DebeziumJson(undefined), [
      { value: { ts_ms: 1 } },
      { value: { source: MYSQL, databaseName: 'shop', ddl: 'ALTER …', tableChanges: [] } },
      { key: key({ id: 1 }), value: truncate },
    ]),
    ['create public.orders(id bigint) key id', 'truncate public.orders(id bigint) key id'],
  )
})

test('what is no change is refused, naming no value', () => {
  for (const value of [
    '[1]',
    '{',
    '{"op":"c"',
    '{"op":"x","source":{"db":"a","table":"b"}}',
    '{"source":{"table":"b"}}',
    '{"op":"c"}',
  ]) {
    assert.throws(() => readChanges(new DebeziumJson([]), [{ key: { id: 1 }, value }]), BadMessage, value)
  }
})

test('rows that were handed on before are left out, however the log is cut', () => {
  const row = (table: string, id: number): TestMessage => ({
    key: key({ id }),
    value: withSchema([field('id', 'int64')], { after: { id }, source: { ...MYSQL, table }, op: 'c' }),
  })
  const log = [row('a', 1), row('b', 2), row('a', 3), row('a', 4), row('b', 5)]
  const format = new DebeziumJson(undefined)
  for (let cut = 0; cut <= log.length; cut++) {
    const collector = new ChangeCollector({ separator: 0x0a, wants: () => true, tellsChanges: false })
    const rows: string[] = []
    let skip: ReadonlyMap<string, number> = new Map([['shop.a', 2]])
    for (const piece of [log.slice(0, cut), log.slice(cut)]) {
      collector.begin(skip)
      for (const message of piece) decodeInto(format, message, collector)
      skip = collector.skip
      for (const item of collector.take())
        if (item.kind === 'rows') rows.push(item.rows.buffer.toString('utf8', 0, item.rows.length))
    }
    assert.deepEqual(
      [...rows.join('').matchAll(/"id":(\d)/g)].map(([, id]) => Number(id)).sort((a, b) => a - b),
      [2, 4, 5],
    )
  }
})

test('changes that come again from before what was read are left out, where that is wanted; snapshots are not', () => {
  const at = (id: number, source: object, op = 'c'): TestMessage => ({
    key: key({ id }),
    value: withSchema([field('id', 'int64')], { after: { id }, source: { ...MYSQL, ...source }, op }),
  })
  const log = (file: string, pos: number): object => ({ server_id: 1, file, pos })
  const messages = [
    at(1, log('binlog.000009', 900)),
    at(2, log('binlog.000010', 4)),
    // The connector starts over from its last offset.
    at(1, log('binlog.000009', 900)),
    at(2, log('binlog.000010', 4)),
    at(3, log('binlog.000010', 4)),
    at(4, log('binlog.000009', 1), 'r'),
    at(5, { ...log('binlog.000001', 1), server_id: 2 }),
    at(6, { schema: 'public', lsn: 100 }),
    at(7, { schema: 'public', lsn: 99 }),
  ]
  const read = (order: SourceOrder | undefined): number[] => {
    const collector = new ChangeCollector({ separator: 0x0a, wants: () => true, tellsChanges: false })
    collector.begin(new Map())
    collector.order = order
    const format = new DebeziumJson(undefined)
    for (const message of messages) decodeInto(format, message, collector)
    const text = collector
      .take()
      .map((item) => (item.kind === 'rows' ? item.rows.buffer.toString('utf8', 0, item.rows.length) : ''))
    return [...text.join('').matchAll(/"id":(\d)/g)].map(([, id]) => Number(id))
  }
  assert.deepEqual(read(new SourceOrder(new Map())), [1, 2, 2, 3, 4, 5, 6])
  assert.deepEqual(read(undefined), [1, 2, 1, 2, 3, 4, 5, 6, 7])
  const order = new SourceOrder(new Map())
  read(order)
  const restored = placesFromJson(JSON.parse(JSON.stringify(placesToJson(order.newest))))
  assert.deepEqual(restored, new Map(order.newest))
})
