import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GtidSet } from './gtid-set.ts'
import { MariadbPosition } from './mariadb-position.ts'

const ORIGINS = [
  '3e11fa47-71ca-11e1-9e33-c80aa9429562',
  '3e11fa47-71ca-11e1-9e33-c80aa9429562:tag_a',
  'a0000000-0000-0000-0000-00000000000f',
]
const transaction = fc.record({ origin: fc.constantFrom(...ORIGINS), number: fc.integer({ min: 1, max: 30 }) })

test('a set has exactly what was added, gaps and all, in any order and through its text', () => {
  fc.assert(
    fc.property(fc.array(transaction, { maxLength: 60 }), (added) => {
      const set = new GtidSet()
      for (const { origin, number } of added) set.add(origin, BigInt(number))
      const read = GtidSet.parse(set.toString())
      const model = new Set(added.map(({ origin, number }) => `${origin} ${number}`))
      for (const origin of ORIGINS) {
        for (let number = 1; number <= 30; number++) {
          assert.equal(read.has(origin, BigInt(number)), model.has(`${origin} ${number}`))
        }
      }
    }),
  )
})

test('a set contains another one when it has all its transactions', () => {
  const numbers = fc.array(transaction, { maxLength: 40 })
  fc.assert(
    fc.property(numbers, numbers, (left, right) => {
      const [one, other] = [left, right].map((added) => {
        const set = new GtidSet()
        for (const { origin, number } of added) set.add(origin, BigInt(number))
        return set
      })
      const expected = right.every(({ origin, number }) => one?.has(origin, BigInt(number)))
      assert.equal(one?.contains(other ?? new GtidSet()), expected)
    }),
  )
})

test('sets are read and written as the server does it', () => {
  const [uuid = ''] = ORIGINS
  const cases = [
    [`${uuid}:1-5`, `${uuid}:1-5`],
    [`${uuid.toUpperCase()}:1:3-4:2`, `${uuid}:1-4`],
    [`${uuid}:1-3:7,\n${uuid}:9`, `${uuid}:1-3:7:9`],
    [`${uuid}:1-2:tag_a:5:tag_b:6-7`, `${uuid}:1-2,${uuid}:tag_a:5,${uuid}:tag_b:6-7`],
    ['', ''],
  ] as const
  for (const [text, written] of cases) assert.equal(GtidSet.parse(text).toString(), written)
  for (const text of ['x', `${uuid}`, `${uuid}:0`, `${uuid}:5-3`, `${uuid}:1-`]) {
    assert.throws(() => GtidSet.parse(text), { code: 'CONFIG' }, text)
  }
})

test('a set without tags is encoded as before 8.3', () => {
  const encoded = GtidSet.parse('3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:8').encode().toString('hex')
  const number = (value: number): string => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt(value))
    return bytes.toString('hex')
  }
  const intervals = [2, 1, 6, 8, 9].map(number).join('')
  assert.equal(encoded, `${number(1)}3e11fa4771ca11e19e33c80aa9429562${intervals}`)
})

test('a MariaDB position is ahead of another in the domains where it has more', () => {
  const position = MariadbPosition.parse('0-101-50,7-3-9')
  assert.equal(position.toString(), '0-101-50,7-3-9')
  assert.deepEqual(position.aheadOf(MariadbPosition.parse('0-102-60,7-3-8')), [7])
  assert.deepEqual(position.aheadOf(MariadbPosition.parse('0-102-60')), [7])
  assert.deepEqual(position.aheadOf(MariadbPosition.parse('7-1-9,0-1-50')), [])
  assert.throws(() => MariadbPosition.parse("0-1-2'; DROP"), { code: 'CONFIG' })
})
