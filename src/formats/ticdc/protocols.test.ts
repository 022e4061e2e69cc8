import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFeed, type FeedMessage } from '../../testkit/read-feed.ts'
import { BadMessage } from '../changes/json-members.ts'
import { CanalFeed } from './canal-feed.ts'
import { OpenProtocol } from './open-protocol.ts'
import { SimpleProtocol } from './simple-protocol.ts'

const TS = '415508878783938562'

function framed(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const bytes = Buffer.from(text)
      const length = Buffer.alloc(8)
      length.writeBigUInt64BE(BigInt(bytes.length))
      return [length, bytes]
    }),
  )
}

/** A message of the open protocol: pairs of a key and a value. */
function open(...pairs: readonly (readonly [key: string, value: string])[]): FeedMessage {
  const version = Buffer.alloc(8)
  version.writeBigUInt64BE(1n)
  return {
    key: Buffer.concat([version, framed(...pairs.map(([key]) => key))]),
    value: framed(...pairs.map(([, value]) => value)),
  }
}

const ROW = `{"ts":${TS},"scm":"d","tbl":"t","t":1}`
const resolved = open([`{"ts":${BigInt(TS) + 1n},"t":3}`, ''])

test('open protocol: several rows in one message, with their types and all their digits', () => {
  const id = (value: string): string => `"id":{"t":8,"h":true,"f":139,"v":${value}}`
  const columns = [
    id('18446744073709551615'),
    '"name":{"t":15,"f":64,"v":"a \\"b\\""}',
    '"raw":{"t":15,"f":65,"v":"\\\\x89PNG\\\\r\\\\n"}',
    '"doc":{"t":252,"f":64,"v":"5LiW"}',
    '"blob":{"t":252,"f":65,"v":"AAEC"}',
    '"price":{"t":246,"f":64,"v":"129012.1230000"}',
    '"none":{"t":3,"f":64,"v":null}',
  ]
  const shape = 'd.t(id ubigint, name varchar, raw blob, doc varchar, blob blob, price varchar, none integer) key id'
  const values = '"name":"a \\"b\\"","raw":"iVBORw0K","doc":"世","blob":"AAEC","price":"129012.1230000","none":null'
  const message = open([ROW, `{"u":{${columns.join()}}}`], [ROW, `{"d":{${id('7')}}}`])
  assert.deepEqual(readFeed(new OpenProtocol(), [message, resolved]), [
    `${shape}: {"id":7,"__op":1}`,
    `${shape}: {"id":18446744073709551615,${values},"__op":0}`,
  ])
})

test('open protocol: an update of the key deletes the old row, statements tell of emptied tables', () => {
  const row = (key: number): string => `{"id":{"t":3,"h":true,"f":11,"v":${key}}}`
  const statement = open([`{"ts":${TS},"scm":"d","tbl":"t","t":2}`, '{"q":"TRUNCATE TABLE t","t":11}'])
  assert.deepEqual(readFeed(new OpenProtocol(), [open([ROW, `{"u":${row(2)},"p":${row(1)}}`]), statement, resolved]), [
    'd.t(id integer) key id: {"id":1,"__op":1}',
    'd.t(id integer) key id: {"id":2,"__op":0}',
    'd.t(id integer) key id: truncate',
  ])
})

test('open protocol: what is not of it is refused', () => {
  const partly = open([`{"ts":${TS},"scm":"d","tbl":"t","t":1,"ohk":true}`, '{"u":{}}'])
  for (const message of [{ value: '{}' }, { key: Buffer.alloc(20), value: '' }, open(['{"t":1}', '{}']), partly])
    assert.throws(() => readFeed(new OpenProtocol(), [message]), BadMessage)
})

const VERSION = '447984074911121426'
const tableSchema = {
  schema: 'd',
  table: 't',
  tableID: 148,
  version: 0,
  columns: [
    { name: 'id', dataType: { mysqlType: 'bigint', length: 20, unsigned: true }, nullable: false },
    { name: 'v', dataType: { mysqlType: 'varchar', length: 20 }, nullable: true },
    { name: 'price', dataType: { mysqlType: 'decimal', length: 12, decimal: 2 }, nullable: true },
    { name: 'kind', dataType: { mysqlType: 'enum', elements: ['a,b', 'c'] }, nullable: true },
    { name: 'tags', dataType: { mysqlType: 'set', elements: ['x', 'y', 'z'] }, nullable: true },
    { name: 'at', dataType: { mysqlType: 'timestamp', decimal: 3 }, nullable: true },
  ],
  indexes: [{ name: 'primary', unique: true, primary: true, columns: ['id'] }],
}

const SHAPE = 'd.t(id ubigint, v varchar[20], price decimal(12,2), kind varchar, tags varchar, at timestamp) key id'

function simple(type: string, ts: number, more: object): FeedMessage {
  const base = { version: 1, database: 'd', table: 't', tableID: 148, type, commitTs: ts, buildTs: 1, schemaVersion: 0 }
  const text = JSON.stringify({ ...base, ...more })
  return {
    value: text
      .replace('"schemaVersion":0', `"schemaVersion":${VERSION}`)
      .replace('"tableID":148,"version":0', `"tableID":148,"version":${VERSION}`),
  }
}

const bootstrap = simple('BOOTSTRAP', 0, { tableSchema })
const row = (id: string): object => {
  return {
    id,
    v: 'n"1',
    price: '1.50',
    kind: '1',
    tags: '5',
    at: { location: 'UTC', value: '2024-01-01 00:00:00.123' },
  }
}
const line = (id: string, op: number): string =>
  `${SHAPE}: {"id":${id},"v":"n\\"1","price":"1.50","kind":"a,b","tags":"x,z","at":"2024-01-01 00:00:00.123","__op":${op}}`

test('simple protocol: rows are read by the schema that came before, words of ENUM and SET by their numbers', () => {
  assert.deepEqual(
    readFeed(new SimpleProtocol(), [
      bootstrap,
      simple('INSERT', 5, { data: row('9007199254740993'), old: null }),
      simple('UPDATE', 6, { data: row('2'), old: row('1') }),
      simple('DELETE', 7, { data: null, old: row('2') }),
      { value: '{"version":1,"type":"WATERMARK","commitTs":8,"buildTs":1}' },
    ]),
    [line('9007199254740993', 0), line('1', 1), line('2', 0), line('2', 1)],
  )
})

test('simple protocol: rows whose schema comes later wait for it, and nothing passes them', () => {
  const watermark = (ts: number): FeedMessage => ({
    value: `{"version":1,"type":"WATERMARK","commitTs":${ts},"buildTs":1}`,
  })
  const early = [simple('INSERT', 5, { data: row('1'), old: null }), watermark(10)]
  assert.deepEqual(readFeed(new SimpleProtocol(), early), [])
  assert.deepEqual(readFeed(new SimpleProtocol(), [...early, bootstrap, watermark(11)]), [line('1', 0)])
})

test('simple protocol: times of other zones, and rows that were sent in part, are refused', () => {
  const elsewhere = { ...row('1'), at: { location: 'Asia/Shanghai', value: '2024-01-01 00:00:00' } }
  for (const message of [
    simple('INSERT', 5, { data: elsewhere }),
    simple('INSERT', 5, { data: row('1'), handleKeyOnly: true }),
  ])
    assert.throws(() => readFeed(new SimpleProtocol(), [bootstrap, message]), BadMessage)
})

test('canal-json with its extension: rows wait for the watermark, statements come behind the rows of their time', () => {
  const canal = (type: string, ts: number, more: object): FeedMessage => {
    const base = {
      id: 0,
      database: 'd',
      table: 't',
      pkNames: ['id'],
      isDdl: false,
      mysqlType: { id: 'int' },
      old: null,
    }
    return { value: JSON.stringify({ ...base, type, _tidb: { commitTs: ts }, ...more }) }
  }
  const watermark = JSON.stringify({
    database: '',
    table: '',
    type: 'TIDB_WATERMARK',
    data: null,
    _tidb: { watermarkTs: 8 },
  })
  assert.deepEqual(
    readFeed(new CanalFeed(), [
      canal('INSERT', 3, { data: [{ id: '1' }] }),
      canal('TRUNCATE', 5, { isDdl: true, data: null }),
      canal('INSERT', 5, { data: [{ id: '2' }] }),
      canal('INSERT', 8, { data: [{ id: '3' }] }),
      { value: watermark },
    ]),
    [
      'd.t(id integer) key id: {"id":1,"__op":0}',
      'd.t(id integer) key id: {"id":2,"__op":0}',
      'd.t(id integer) key id: truncate',
    ],
  )
})
