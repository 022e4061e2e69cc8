import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JoinedTables } from './joined-tables.ts'
import { firstReads, logReadsOf, type LogReads } from './log-reads.ts'
import { mysqlCdcOptions, type MysqlCdcOptions } from './options.ts'
import type { Place } from './stored-place.ts'
import { nextTurn, type Join } from './turns.ts'

const UUID = '3e11fa47-71ca-11e1-9e33-c80aa9429562'

function place(last: number): Place {
  return { flavour: 'mysql', gtid: `${UUID}:1-${last}`, file: 'bin.000001', position: last * 100, server: UUID }
}

function optionsOf(more: object): MysqlCdcOptions {
  return mysqlCdcOptions.parse({
    url: 'mysql://127.0.0.1',
    username: 'u',
    password: 'p',
    tables: ['d\\.a', 'd\\.b'],
    ...more,
  })
}

/** Which of these are read in the transaction with this number. */
function readIn(options: MysqlCdcOptions, reads: LogReads, number: number): string[] {
  const joined = new JoinedTables(options, logReadsOf(JSON.parse(JSON.stringify(reads))))
  joined.begin({ kind: 'mysql', origin: UUID, number: BigInt(number) }, place(number - 1))
  return ['a', 'b', 'c'].filter((name) => joined.isRead('d', name))
}

test('a table that joins is read alone up to where the others are, and then with them', () => {
  const options = optionsOf({})
  const before = firstReads(['d\\.a'], {})
  assert.deepEqual(readIn(options, before, 5), ['a'])
  const join: Join = {
    joining: { round: 1, tables: ['d.b'], wanted: options.tables ?? [] },
    place: place(10),
    shapes: {},
  }
  const turn = nextTurn(options, before, join)
  assert.ok(turn?.kind === 'back')
  assert.equal(turn.place.gtid, place(10).gtid)
  const after = { ...turn.reads, ahead: { place: place(20), lists: before.lists, held: [] } }
  assert.deepEqual(readIn(options, after, 15), ['b'])
  assert.deepEqual(readIn(options, after, 21), ['a', 'b'])
  assert.equal(nextTurn(options, after, join), undefined, 'one after the other')
  assert.equal(nextTurn(options, turn.reads, join), undefined, 'a message that comes twice counts once')
})

test('a table that is not asked for any more was not read when it is asked for again', () => {
  const reads = firstReads(['d\\.a', 'd\\.b'], {})
  const narrowed = new JoinedTables(optionsOf({ tables: ['d\\.a'] }), reads).reads
  assert.deepEqual(readIn(optionsOf({}), narrowed, 1), ['a'])
  assert.deepEqual(new JoinedTables(optionsOf({ tables: ['d\\.b', 'd\\.a', 'd\\.c'] }), reads).reads, reads)
})

test('a paused table is held where it is, and goes on there', () => {
  const reads = firstReads(['d\\.a', 'd\\.b'], {})
  const paused = optionsOf({ paused: ['d\\.b'] })
  assert.deepEqual(nextTurn(paused, reads, undefined), { kind: 'hold', patterns: ['d\\.b'] })
  const joined = new JoinedTables(paused, reads)
  joined.hold(['d\\.b'], place(7))
  assert.deepEqual(readIn(paused, joined.reads, 9), ['a'])
  assert.equal(nextTurn(paused, joined.reads, undefined), undefined)
  const turn = nextTurn(optionsOf({}), joined.reads, undefined)
  assert.ok(turn?.kind === 'back')
  assert.deepEqual([turn.place.gtid, turn.reads.held], [place(7).gtid, {}])
})

test('a table is read again once for each occasion, also when the file says another one meanwhile', () => {
  const reads = firstReads(['d\\.a', 'd\\.b'], { 'd.a': 'first' })
  assert.equal(nextTurn(optionsOf({ resync: { 'd.a': 'first' } }), reads, undefined), undefined)
  const options = optionsOf({ resync: { 'd.a': 'second' } })
  assert.deepEqual(nextTurn(options, reads, undefined), { kind: 'hold', patterns: ['=d.a'] })
  const held = { ...reads, held: { '=d.a': place(7) } }
  assert.deepEqual(readIn(options, held, 9), ['b'])
  // Its rows are under way: it is not let go by itself.
  assert.equal(nextTurn(optionsOf({}), held, undefined), undefined)
  const resync = { table: 'd.a', occasion: 'second' }
  const turn = nextTurn(options, held, { joining: { round: 1, tables: ['d.a'], resync }, place: place(7), shapes: {} })
  assert.ok(turn?.kind === 'back')
  assert.deepEqual(turn.reads, { ...reads, held: {}, round: 1, resynced: { 'd.a': 'second' } })
})
