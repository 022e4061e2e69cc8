/** What becomes of the tables of a log, and where it is read from then; `lsn` alone says where each of them is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextTurn, type Join, type Standing } from './turns.ts'
import {
  firstReads,
  narrowed,
  tablesOf,
  walPositionFromJson,
  walPositionToJson,
  type WalReads,
} from './wal-position.ts'

const NOTHING = { paused: [], resync: {} }

function table(name: string): { schema: string; name: string; chunks: []; high: bigint } {
  return { schema: 's', name, chunks: [], high: 0n }
}

const SPEC = { system: '7', tables: [table('a'), table('b')] }

function standing(lsn: bigint, more: Partial<WalReads> = {}, ahead: Record<string, bigint> = {}): Standing {
  const reads = { ...firstReads({ tables: ['s\\.[ab]'], resync: {} }), ...more }
  return {
    here: { lsn, row: 3 },
    ahead: new Map(Object.entries(ahead).map(([key, place]) => [key, { lsn: place, row: 0 }])),
    reads,
    tables: tablesOf(SPEC, reads),
  }
}

const JOIN: Join = { round: 1, place: 50n, tables: [table('c')], wanted: ['s\\..*'] }

test('a table that joins is read from its place on, and the others from where they are', () => {
  const turn = nextTurn(NOTHING, standing(90n, {}, { 's.a': 95n }), JOIN)
  assert.deepEqual(turn?.place, { lsn: 50n, row: 0 })
  assert.deepEqual(Object.fromEntries(turn?.ahead ?? []), { 's.a': { lsn: 95n, row: 0 }, 's.b': { lsn: 90n, row: 3 } })
  assert.deepEqual(
    tablesOf(SPEC, turn?.reads ?? firstReads(NOTHING)).map(({ name }) => name),
    ['a', 'b', 'c'],
  )
  assert.equal(
    nextTurn(NOTHING, standing(90n, { round: 1 }), JOIN),
    undefined,
    'a message that comes twice counts once',
  )
})

test('a log that is behind goes on where it is, and takes nothing of the new table before its place', () => {
  const turn = nextTurn(NOTHING, standing(20n), JOIN)
  assert.deepEqual(turn?.place, { lsn: 20n, row: 3 })
  assert.deepEqual(Object.fromEntries(turn?.ahead ?? []), { 's.c': { lsn: 50n, row: 0 } })
})

test('a paused table is held where it is, and goes on there alone', () => {
  const paused = { ...NOTHING, paused: ['s\\.b'] }
  const held = nextTurn(paused, standing(20n, {}, { 's.b': 25n }), undefined)
  assert.deepEqual([held?.place, held?.reads.held], [{ lsn: 20n, row: 3 }, { 's.b': { lsn: 25n, row: 0 } }])
  assert.deepEqual([...(held?.ahead.keys() ?? [])], [])
  const later = standing(90n, held?.reads)
  assert.equal(nextTurn(paused, later, undefined), undefined)
  const released = nextTurn(NOTHING, later, undefined)
  assert.deepEqual([released?.place, released?.reads.held], [{ lsn: 25n, row: 0 }, {}])
  assert.deepEqual(Object.fromEntries(released?.ahead ?? []), { 's.a': { lsn: 90n, row: 3 } })
})

test('a table that is read again waits for its rows, whatever the file says meanwhile, and once for each occasion', () => {
  const first = { ...NOTHING, resync: { 's.a': 'first' } }
  assert.equal(nextTurn(first, standing(20n, { resynced: { 's.a': 'first' } }), undefined), undefined)
  const held = nextTurn(first, standing(20n), undefined)
  assert.deepEqual(held?.reads.again, { 's.a': 'first' })
  const later = standing(90n, held?.reads)
  assert.equal(nextTurn(NOTHING, later, undefined), undefined)
  const chunks = [{ lo: undefined, seen: [{ after: undefined, snapshot: '9:9:' }] }]
  const join = { ...JOIN, tables: [{ ...table('a'), chunks, high: 60n }] }
  const turn = nextTurn(NOTHING, later, join)
  assert.deepEqual([turn?.place, turn?.reads.resynced], [{ lsn: 20n, row: 3 }, { 's.a': 'first' }])
  assert.deepEqual(turn?.reads.joined, [table('a')], 'all of its changes follow')
  assert.deepEqual([turn?.reads.held, turn?.reads.again], [{}, {}])
})

test('a table that nobody asks for any more is new when it is asked for again', () => {
  const reads = firstReads({ tables: ['s\\.[ab]'], resync: {} })
  const less = narrowed(SPEC, reads, ['s\\.a'])
  const again = narrowed(SPEC, less, ['s\\.[ab]'])
  assert.deepEqual(
    tablesOf(SPEC, again).map(({ name }) => name),
    ['a'],
  )
  assert.deepEqual(narrowed(SPEC, reads, ['s\\.[ab]', 's\\.c']), reads)
})

test('a position says the same after it was stored', () => {
  const { here, ahead, reads } = standing(
    20n,
    { held: { 's.b': { lsn: 7n, row: 1 } }, joined: [table('c')] },
    { 's.a': 30n },
  )
  const position = { ...here, ahead, reads, timeline: 2 }
  assert.deepEqual(walPositionFromJson(JSON.parse(JSON.stringify(walPositionToJson(position)))), position)
})
