import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AlreadyRead } from './already-read.ts'
import { keyOrder } from './key-order.ts'
import { chunkEndFromJson, chunkEndToJson, walAfter, walSpecFromJson, walSpecToJson, type ChunkSpec } from './split.ts'

const KEY = [{ name: 'id', type: 'int8', isBinary: false }]
const SPEC: ChunkSpec = {
  system: '7',
  schema: 'public',
  name: 't',
  oid: 1,
  lo: undefined,
  hi: undefined,
  isJoining: false,
}

test('a change is left out when the snapshot saw it by which the row of its key was read', () => {
  // Parts from -10, 0 and 10 on; the one in the middle was interrupted behind 4.
  const chunks = [
    { lo: undefined, seen: [{ after: undefined, snapshot: '100:100:' }] },
    {
      lo: '0',
      seen: [
        { after: undefined, snapshot: '110:120:110' },
        { after: ['4'], snapshot: '130:130:' },
      ],
    },
    { lo: '10', seen: [{ after: undefined, snapshot: '140:140:' }] },
  ]
  const read = new AlreadyRead({ chunks, high: 50n }, keyOrder(KEY))
  const cases: readonly (readonly [key: string, xid: number, isRead: boolean])[] = [
    ['-1', 99, true],
    ['-1', 100, false],
    ['0', 109, true],
    ['0', 110, false],
    ['4', 119, true],
    ['4', 120, false],
    ['5', 129, true],
    ['9', 130, false],
    ['10', 139, true],
    ['1000000000000000000', 140, false],
  ]
  for (const [key, xid, isRead] of cases) assert.equal(read.has(xid, [key]), isRead, `${key} in ${xid}`)
  assert.equal(read.isOver(50n), false)
  assert.equal(read.isOver(51n), true)
})

test('a table without a key has one part', () => {
  const chunks = [{ lo: undefined, seen: [{ after: undefined, snapshot: '100:100:' }] }]
  const read = new AlreadyRead({ chunks, high: 1n }, keyOrder([]))
  assert.equal(read.has(99, []), true)
  assert.equal(read.has(100, []), false)
})

test('keys sort as the server sorts them', () => {
  const binary = keyOrder([{ name: 'k', type: 'text', isBinary: true }])
  // By code points, which UTF-16 units are not.
  assert.ok((binary?.(['\uffff'], ['😀']) ?? 0) < 0)
  assert.equal(keyOrder([]), undefined)
  const two = keyOrder([...KEY, { name: 'u', type: 'uuid', isBinary: false }])
  assert.ok((two?.(['9', 'b'], ['10', 'a']) ?? 0) < 0)
  assert.ok((two?.(['9', 'b'], ['9', 'a']) ?? 0) > 0)
  assert.equal(two?.(['9', 'b'], ['9']), 0, 'a bound of a part has the first column only')
})

test('the log knows where each chunk ended, in whatever order they are told', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (order) => {
      const ends = order.map((index) => {
        const lo = index === 0 ? undefined : String(index * 10)
        const seen = [{ after: undefined, snapshot: `${100 + index}:${100 + index}:` }]
        const position = { start: 5n, after: [String(index)], seen, high: BigInt(10 + index) }
        return chunkEndFromJson(`public.t/${index}`, chunkEndToJson({ ...SPEC, lo }, position))
      })
      const { start, spec } = walAfter(ends)
      assert.equal(start, 5n)
      const [table, ...others] = walSpecFromJson(walSpecToJson(spec)).tables
      assert.deepEqual(others, [])
      assert.deepEqual(
        table?.chunks.map(({ lo }) => lo),
        [undefined, '10', '20', '30'],
      )
      assert.equal(table?.high, 13n)
    }),
  )
})
