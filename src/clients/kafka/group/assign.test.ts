import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { assignCooperatively, keyOf } from './assign.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type PartitionOf,
} from './consumer-protocol.ts'

const TOPICS = ['a', 'b']
const all = (counts: readonly number[]): PartitionOf[] =>
  counts.flatMap((count, at) =>
    Array.from({ length: count }, (_, partition) => ({ topic: TOPICS[at] ?? '', partition })),
  )

/** Joins again until nothing moves, as members do when they have let go. */
function settle(members: Map<string, PartitionOf[]>, partitions: readonly PartitionOf[]): number {
  for (let round = 1; ; round++) {
    const subscriptions = new Map([...members].map(([id, owned]) => [id, { topics: TOPICS, owned }]))
    const given = assignCooperatively(subscriptions, partitions)
    // Nobody is given what somebody else still has.
    for (const [id, mine] of given)
      for (const one of mine)
        for (const [other, owned] of members)
          assert.ok(
            other === id || !owned.some((theirs) => keyOf(theirs) === keyOf(one)),
            `${keyOf(one)} has two owners`,
          )
    const isStable = [...members].every(([id, owned]) => {
      const mine = new Set(given.get(id)?.map(keyOf))
      return owned.every((one) => mine.has(keyOf(one)))
    })
    for (const [id, mine] of given) members.set(id, mine)
    if (isStable) return round
  }
}

test('whoever comes and goes, every partition ends with one member and the shares are even', () => {
  const step = fc.record({ member: fc.nat({ max: 7 }), joins: fc.boolean() })
  const counts = fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 9 }))
  fc.assert(
    fc.property(counts, fc.array(step, { minLength: 1, maxLength: 12 }), (sizes, steps) => {
      const partitions = all(sizes)
      const members = new Map<string, PartitionOf[]>([['m0', []]])
      for (const { member, joins } of steps) {
        const id = `m${member}`
        if (joins && !members.has(id)) members.set(id, [])
        else if (!joins && members.size > 1) members.delete(id)
        assert.ok(settle(members, partitions) <= 3)
        const given = [...members.values()].flat().map(keyOf).sort()
        assert.deepEqual(given, partitions.map(keyOf).sort())
        const shares = [...members.values()].map(({ length }) => length)
        assert.ok(Math.max(...shares) - Math.min(...shares) <= 1, shares.join())
      }
    }),
  )
})

test('a member that comes takes no more than its share from the others', () => {
  const partitions = all([6, 6])
  const members = new Map<string, PartitionOf[]>([
    ['m0', []],
    ['m1', []],
  ])
  settle(members, partitions)
  const before = new Map([...members].map(([id, owned]) => [id, new Set(owned.map(keyOf))]))
  members.set('m2', [])
  settle(members, partitions)
  for (const id of ['m0', 'm1'])
    assert.equal(members.get(id)?.filter((one) => before.get(id)?.has(keyOf(one))).length, 4)
})

test('subscriptions and assignments come back as they were', () => {
  const partitions = fc.array(fc.record({ topic: fc.constantFrom('a', 'ü', 'c.d'), partition: fc.nat() }))
  fc.assert(
    fc.property(fc.array(fc.string()), partitions, (topics, owned) => {
      const byKey = (list: readonly PartitionOf[]): string[] => list.map(keyOf).sort()
      const subscription = decodeSubscription(encodeSubscription({ topics, owned }))
      assert.deepEqual([subscription.topics, byKey(subscription.owned)], [topics, byKey(owned)])
      assert.deepEqual(byKey(decodeAssignment(encodeAssignment(owned))), byKey(owned))
    }),
  )
  assert.deepEqual(decodeAssignment(Buffer.alloc(0)), [])
})
