import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lastByCount, logstoreEnds } from './source-end.ts'

const OPTIONS = { endpoint: 'http://localhost:1', project: 'p', logstore: 'l', accessKeyId: 'a', accessKeySecret: 'b' }

test('the last records are taken evenly of all splits, and more of those that have more', () => {
  const counts = new Map(Object.entries({ a: 100, c: 2 }))
  const splits = ['a', 'b', 'c'].map((split) => ({ split, spec: {}, at: {} }))
  const taken = lastByCount(splits, counts, 30).map(
    ({ assignment: { split }, skip }) => `${split} ${(counts.get(split) ?? 0) - skip}`,
  )
  assert.deepEqual(taken.toSorted(), ['a 28', 'b 0', 'c 2'])
})

test('ends of a logstore grow, and never begin before its start', () => {
  const now = Date.parse('2026-05-06T00:00:00Z')
  const starts = [...logstoreEnds({ ...OPTIONS, start: '2026-05-05T23:59:00' }, now)].map(({ start }) => start)
  assert.deepEqual(starts, [now - 1000, now - 10_000, '2026-05-05T23:59:00'])
})
