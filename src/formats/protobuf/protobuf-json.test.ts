import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { RowBuffer } from '../changes/row-buffer.ts'
import { ProtobufFile } from './protobuf-file.ts'
import { ProtobufJson } from './protobuf-json.ts'

const SCHEMA = `
syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";

enum Color { NONE = 0; RED = 1; }
message Order {
  int64 id = 1;
  sint32 delta = 2;
  fixed64 big = 3;
  optional double ratio = 4;
  string name = 16;
  bytes data = 5;
  bool paid = 6;
  Color color = 7;
  repeated int32 counts = 8;
  map<string, int64> stock = 9;
  google.protobuf.Timestamp at = 10;
  Line line = 11;
  repeated Line lines = 12;
  oneof pay { string card = 13; uint32 cash = 14; }
  message Line { string sku = 1; }
}
message Other { message Inner { int32 n = 1; } Inner inner = 1; }
`

const file = new ProtobufFile(SCHEMA)
// An encoder that is not ours.
const other = protobuf
  .parse(SCHEMA, { keepCase: true })
  .root.addJSON(protobuf.common.get('google/protobuf/timestamp.proto')?.nested ?? {})
const Order = other.lookupType('shop.v1.Order')

function read(bytes: Uint8Array, message = 'Order'): string {
  const out = new RowBuffer(0x0a)
  const buffer = Buffer.from(bytes)
  new ProtobufJson(file.message(message)).write(buffer, 0, buffer.length, out)
  return out.buffer.toString('utf8', 0, out.length)
}

test('a message becomes a row in the order of its declaration, with exact numbers', () => {
  const bytes = Order.encode(
    Order.fromObject({
      id: '-9007199254740993',
      delta: -5,
      big: '18446744073709551615',
      ratio: 0.1,
      name: 'ü"x',
      data: Buffer.from([0, 255]),
      paid: true,
      color: 'RED',
      counts: [1, -2],
      stock: { a: '9223372036854775807' },
      at: { seconds: 1_700_000_000, nanos: 123_456_000 },
      line: { sku: 's' },
      lines: [{ sku: '1' }, {}],
      cash: 7,
    }),
  ).finish()
  assert.equal(
    read(bytes),
    '{"id":-9007199254740993,"delta":-5,"big":18446744073709551615,"ratio":0.1,"name":"ü\\"x","data":"AP8=","paid":true,' +
      '"color":"RED","counts":[1,-2],"stock":{"a":9223372036854775807},"at":"2023-11-14 22:13:20.123456+00","line":{"sku":"s"},' +
      '"lines":[{"sku":"1"},{"sku":""}],"card":null,"cash":7}',
  )
})

test('what is not there is null where the schema tells absence from zero, and the default elsewhere', () => {
  assert.equal(
    read(Buffer.alloc(0)),
    '{"id":0,"delta":0,"big":0,"ratio":null,"name":"","data":"","paid":false,"color":"NONE","counts":[],"stock":{},' +
      '"at":null,"line":null,"lines":[],"card":null,"cash":null}',
  )
})

test('the last value of a field counts, pieces of a message are one, and unknown fields are skipped', () => {
  const bytes = Buffer.concat([
    Order.encode({ id: 1, line: { sku: 'a' } }).finish(),
    // Field 500, a number; then field 501, bytes.
    Buffer.from([0xa0, 0x1f, 0x05, 0xaa, 0x1f, 0x01, 0x00]),
    Order.encode({ id: 2, line: {} }).finish(),
    // Numbers of a list one by one, as before they were packed, and an enumeration's unknown number.
    Buffer.from([0x40, 0x03, 0x40, 0x04, 0x38, 0x09]),
  ])
  const row = JSON.parse(read(bytes)) as Record<string, unknown>
  assert.deepEqual([row['id'], row['line'], row['counts'], row['color']], [2, { sku: 'a' }, [3, 4], '9'])
})

test('columns have the types of their fields', () => {
  const types = new ProtobufJson(file.message()).columns().map(({ name, type, nullable }) => [name, type, nullable])
  assert.deepEqual(types.slice(0, 7), [
    ['id', 'bigint', false],
    ['delta', 'integer', false],
    ['big', 'ubigint', false],
    ['ratio', 'double', true],
    ['name', 'varchar', false],
    ['data', 'blob', false],
    ['paid', 'boolean', false],
  ])
  assert.deepEqual(types.slice(8, 11), [
    ['counts', 'json', false],
    ['stock', 'json', false],
    ['at', 'timestamp with time zone', true],
  ])
})

test('messages are found by name and by their place in the file, and the place by the message', () => {
  for (const name of ['Order', 'shop.v1.Order.Line', 'Other', 'Other.Inner']) {
    const found = file.message(name)
    assert.equal(file.messageAt(file.indexesOf(found)), found)
  }
  assert.deepEqual(file.indexesOf(file.message('Other.Inner')), [1, 0])
  assert.throws(() => file.message('None'), /no message None/)
  assert.throws(() => file.messageAt([2]), /no message/)
  assert.throws(() => new ProtobufFile('syntax = "proto3"; import "other.proto";'), /imports other\.proto/)
  assert.throws(() => new ProtobufFile('no schema'), /cannot be read/)
})

test('bytes that are no message are told, and never read behind their end', () => {
  const whole = Order.encode({ id: 300, name: 'abcdef', lines: [{ sku: 'abc' }] }).finish()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(whole.length), (noise, cut) => {
      for (const bytes of [noise, whole.subarray(0, cut)]) {
        try {
          JSON.parse(read(bytes))
        } catch (error) {
          assert.equal((error as Error).constructor.name, 'BadMessage')
        }
      }
    }),
  )
})
