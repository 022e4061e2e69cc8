import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CHANGE, readBegin, readCommitEnd, readRelation, readTruncate, TUPLE, type Relation } from './pgoutput.ts'
import { columnsOf, rowShape } from './row-shape.ts'
import { roomFor, writeRow } from './row-lines.ts'
import { Tuple } from './tuple.ts'
import { builtInTypes } from './types.ts'

/** Two transactions as PostgreSQL 15.18 sent them, one message in each line. */
const FIXTURE = new URL('../../../test/fixtures/postgres-cdc/pgoutput-15.txt', import.meta.url)
const MESSAGES = readFileSync(FIXTURE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => Buffer.from(line, 'base64'))

test('messages of a server are read as what they are', () => {
  const kinds = MESSAGES.map((bytes) => String.fromCharCode(bytes[0] ?? 0)).join('')
  assert.equal(kinds, 'BRIIUUDCBRIUDRRTYRIC')
  const [begin, relation] = MESSAGES
  const commit = MESSAGES.findLast((bytes) => bytes[0] === CHANGE.commit)
  assert.ok(begin !== undefined && relation !== undefined && commit !== undefined)
  const { lsn, micros, xid } = readBegin(begin, 0)
  assert.ok(lsn > 0n && xid > 0)
  assert.match(new Date(Number(micros / 1000n)).toISOString(), /^20/)
  assert.ok(readCommitEnd(commit, 0) > lsn)
  const { columns, ...table } = readRelation(relation, 0)
  assert.deepEqual([table.schema, table.name, table.identity], ['public', 't', 'd'])
  assert.deepEqual(columns, [
    { name: 'id', isKey: true, type: 23, modifier: -1 },
    { name: 'word', isKey: false, type: 25, modifier: -1 },
    { name: 'n', isKey: false, type: 1700, modifier: 655_366 },
    { name: 'at', isKey: false, type: 1184, modifier: -1 },
  ])
  const truncate = MESSAGES.find((bytes) => bytes[0] === CHANGE.truncate)
  assert.ok(truncate !== undefined)
  assert.equal(readTruncate(truncate, 0).length, 2)
})

test('rows of a server become JSON, with keys, old rows and values that were left out', () => {
  const rows = [...jsonRows()]
  assert.deepEqual(rows, [
    'I fresh {"id":1,"word":"one \\"1\\"","n":"1.50","at":"2024-01-01 00:00:00"}',
    `I fresh {"id":2,"word":"${'x'.repeat(2100)}","n":null,"at":null}`,
    'U fresh {"id":2,"word":<left out>,"n":"2.00","at":null}',
    'U key {"id":1,"word":null,"n":null,"at":null}',
    'U fresh {"id":3,"word":"w","n":"1.50","at":"2024-01-01 00:00:00"}',
    'D key {"id":3,"word":null,"n":null,"at":null}',
    'I fresh {"a":1,"b":"a"}',
    'U old {"a":1,"b":"a"}',
    'U fresh {"a":1,"b":"b"}',
    'D old {"a":1,"b":"b"}',
    'I fresh {"id":1,"mood":"fine"}',
  ])
})

/** Every tuple of the fixture. */
function* jsonRows(): Iterable<string> {
  const relations = new Map<number, Relation>()
  const names = new Map<number, string>([
    [TUPLE.key, 'key'],
    [TUPLE.old, 'old'],
    [TUPLE.fresh, 'fresh'],
  ])
  for (const bytes of MESSAGES) {
    if (bytes[0] === CHANGE.relation) {
      const relation = readRelation(bytes, 0)
      relations.set(relation.oid, relation)
    }
    const isChange = [CHANGE.insert, CHANGE.update, CHANGE.delete].some((kind) => kind === bytes[0])
    const relation = relations.get(isChange ? bytes.readUInt32BE(1) : 0)
    if (relation === undefined) continue
    const columns = columnsOf(relation, builtInTypes())
    const shape = rowShape({ columns, key: [], hasQuotedJson: false })
    for (let at = 5; at < bytes.length;) {
      const kind = names.get(bytes[at] ?? 0)
      const tuple = new Tuple()
      at = tuple.readTupleData(bytes, at + 1)
      const buffer = Buffer.alloc(roomFor(shape, bytes.length, 10 * columns.length))
      const target = { buffer, ends: new Uint32Array(1), separator: 0x0a, rows: 0, length: 0 }
      const supplied = new Map(columns.map((_, index) => [index, Buffer.from('<left out>')]))
      writeRow(shape, tuple, bytes, target, Buffer.from('}'), { unspeakable: 'fail', supplied })
      yield `${String.fromCharCode(bytes[0] ?? 0)} ${kind} ${buffer.toString('utf8', 0, target.ends[0])}`
    }
  }
}
