import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CanalJson } from './canal-json.ts'
import { BadMessage } from './json-members.ts'
import { MaxwellJson } from './maxwell-json.ts'
import { readChanges } from '../../testkit/read-changes.ts'

const CANAL = {
  id: 1,
  database: 'shop',
  table: 'orders',
  pkNames: ['id'],
  isDdl: false,
  es: 1_639_633_141_221,
  ts: 1_639_633_142_960,
  sql: '',
  sqlType: { id: -5, v: 12 },
  mysqlType: { id: 'bigint(20) unsigned', v: 'varchar(20)', price: 'decimal(12,2)', raw: 'blob' },
}

test('Canal: all rows of a message, numbers as numbers, bytes as base64', () => {
  const data = [
    { id: '18446744073709551615', v: 'a', price: '1.50', raw: '\u00ff\u0000A' },
    { id: '2', v: null, price: null, raw: null },
  ]
  assert.deepEqual(readChanges(new CanalJson(), [{ value: { ...CANAL, type: 'INSERT', data, old: null } }]), [
    'create shop.orders(id ubigint, v varchar[20], price decimal(12,2), raw blob) key id',
    '{"id":18446744073709551615,"v":"a","price":"1.50","raw":"/wBB","__op":0}',
    '{"id":2,"v":null,"price":null,"raw":null,"__op":0}',
  ])
})

test('Canal: an update of the key deletes the old row first, an update of others does not', () => {
  const update = (data: object, old: object): object => ({ ...CANAL, type: 'UPDATE', data: [data], old: [old] })
  const row = { id: '2', v: 'b', price: '1', raw: null }
  assert.deepEqual(
    readChanges(new CanalJson(), [
      { value: update(row, { id: '1', v: null }) },
      // TiCDC sends all columns as they were.
      { value: update(row, { id: '2', v: 'a', price: '1', raw: null }) },
      { value: { ...CANAL, type: 'DELETE', data: [row], old: null } },
    ]).slice(1),
    [
      '{"id":1,"v":null,"price":"1","raw":null,"__op":1}',
      '{"id":2,"v":"b","price":"1","raw":null,"__op":0}',
      '{"id":2,"v":"b","price":"1","raw":null,"__op":0}',
      '{"id":2,"v":"b","price":"1","raw":null,"__op":1}',
    ],
  )
})

test('Canal: columns that come later are told, statements are passed over, TRUNCATE is told', () => {
  const first = { ...CANAL, mysqlType: { id: 'int' }, type: 'INSERT', data: [{ id: '1' }], old: null }
  const later = {
    ...first,
    mysqlType: { id: 'int', at: 'datetime(3)' },
    data: [{ id: '2', at: '2024-01-01 00:00:00.123' }],
  }
  const statement = (type: string): object => ({
    ...CANAL,
    isDdl: true,
    type,
    sql: '…',
    data: null,
    mysqlType: null,
    pkNames: null,
  })
  assert.deepEqual(
    readChanges(new CanalJson(), [
      { value: first },
      { value: statement('ALTER') },
      { value: later },
      { value: statement('TRUNCATE') },
      { value: { ...CANAL, database: '', table: '', type: 'TIDB_WATERMARK', data: null, _tidb: { watermarkTs: 1 } } },
    ]),
    [
      'create shop.orders(id integer) key id',
      '{"id":1,"__op":0}',
      'add-columns shop.orders(id integer, at timestamp(3)) key id',
      '{"id":2,"at":"2024-01-01 00:00:00.123","__op":0}',
      'truncate shop.orders(id integer, at timestamp(3)) key id',
    ],
  )
})

test('Canal: what is no change is refused', () => {
  for (const value of [
    '7',
    '{}',
    { ...CANAL, type: 'UPSERT', data: [{ id: '1' }] },
    { ...CANAL, type: 'INSERT', mysqlType: null, data: [] },
  ])
    assert.throws(() => readChanges(new CanalJson(), [{ value }]), BadMessage)
})

const MAXWELL = {
  database: 'shop',
  table: 'orders',
  ts: 1_449_786_310,
  xid: 940_752,
  commit: true,
  primary_key_columns: ['id'],
}

test('Maxwell: rows byte for byte, an update of the key in two, types as wide as the values', () => {
  assert.deepEqual(
    readChanges(new MaxwellJson(undefined), [
      { value: { ...MAXWELL, type: 'bootstrap-start', data: {} } },
      {
        value: JSON.stringify({ ...MAXWELL, type: 'bootstrap-insert', data: { id: 0, n: 1, s: 'a', b: null } }).replace(
          '"id":0',
          '"id":9007199254740993',
        ),
      },
      { value: { ...MAXWELL, type: 'update', data: { id: 2, n: 1.5, s: 'a', b: [1] }, old: { id: 1 } } },
      { value: { ...MAXWELL, type: 'delete', data: { id: 2, n: 1, s: 'a', b: null } } },
      { value: { type: 'table-alter', database: 'shop', table: 'orders', old: {}, def: {} } },
    ]),
    [
      'create shop.orders(id bigint, n bigint, s varchar, b varchar) key id',
      '{"id":9007199254740993,"n":1,"s":"a","b":null,"__op":0}',
      'alter-columns shop.orders(id bigint, n double, s varchar, b varchar) key id',
      '{"id":1,"n":1.5,"s":"a","b":[1],"__op":1}',
      '{"id":2,"n":1.5,"s":"a","b":[1],"__op":0}',
      '{"id":2,"n":1,"s":"a","b":null,"__op":1}',
    ],
  )
})

test('Maxwell: the columns of the pipeline count where it names them', () => {
  const declared = [
    { name: 'id', type: 'bigint', nullable: false },
    { name: '__op', type: 'tinyint', nullable: false },
  ]
  const [shape] = readChanges(new MaxwellJson(declared), [
    { value: { ...MAXWELL, type: 'insert', data: { id: 1, more: 2 } } },
  ])
  assert.equal(shape, 'create shop.orders(id bigint) key id')
  assert.throws(() => readChanges(new MaxwellJson(declared), [{ value: '{}' }]), BadMessage)
})
