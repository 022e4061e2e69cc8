import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../../testkit/emulators/clock.ts'
import { Logstore } from '../../testkit/emulators/sls/logstore.ts'
import { parentsOf, parseShards } from './shards.ts'

suite('parents', () => {
  test('are found after any splits and merges, as if the service had told them', () => {
    const step = fc.record({ isSplit: fc.boolean(), pick: fc.nat(), takesTime: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), fc.integer({ min: 1, max: 4 }), (steps, count) => {
        const clock = new ManualClock()
        const logstore = new Logstore({ name: 'logs', shards: count }, clock)
        const truth = new Map<number, number[]>()
        for (const { isSplit, pick, takesTime } of steps) {
          if (takesTime) clock.advance(5000)
          const live = logstore.shards.filter(({ status }) => status === 'readwrite')
          const shard = live[pick % live.length]
          if (shard === undefined) continue
          const isLast = /^f+$/.test(shard.endKey)
          if (isSplit || isLast) {
            const [, ...children] = logstore.split(shard.id)
            for (const child of children) truth.set(child.id, [shard.id])
          } else {
            const [left, right, joined] = logstore.merge(shard.id)
            truth.set(joined?.id ?? -1, [left?.id ?? -1, right?.id ?? -1])
          }
        }
        const shards = parseShards(logstore.list())
        for (const child of shards) {
          const parents = parentsOf(child, shards)
            .map(({ id }) => id)
            .sort((one, other) => one - other)
          assert.deepEqual(
            parents,
            (truth.get(child.id) ?? []).toSorted((one, other) => one - other),
            `shard ${child.id}`,
          )
        }
      }),
    )
  })
})

test('a list that is none is refused', () => {
  for (const answer of [{}, [null], [{ shardID: '1', status: 'readonly' }], [{ shardID: 1, status: 'other' }]]) {
    assert.throws(() => parseShards(answer), { code: 'DECODE' })
  }
})
