import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyLane } from '../../dataplane/key-groups.ts'
import { Spreader } from './spreader.ts'

test('a value without a route goes to the lane of its hash, and one with a route there', () => {
  const spreader = new Spreader(4)
  assert.equal(spreader.place('a', 1), keyLane('a', 4))
  const other = (keyLane('a', 4) + 1) % 4
  spreader.follow([['a', other]])
  assert.equal(spreader.place('a', 1), other)
})

test('shares of a value even out over pieces of any size', () => {
  const spreader = new Spreader(3)
  spreader.follow([['hot', [0.5, 0.3, 0.2]]])
  const sent = [0, 0, 0]
  for (let piece = 0; piece < 1000; piece++) {
    const bytes = 1 + ((piece * 7919) % 100)
    const lane = spreader.place('hot', bytes)
    sent[lane] = (sent[lane] ?? 0) + bytes
  }
  const total = sent.reduce((sum, bytes) => sum + bytes, 0)
  assert.deepEqual(
    sent.map((bytes) => Math.round((bytes / total) * 100)),
    [50, 30, 20],
  )
})

test('what was measured is reported once', () => {
  const spreader = new Spreader(2)
  spreader.place('a', 3)
  spreader.place('b', 5)
  spreader.place('a', 4)
  assert.deepEqual(spreader.report(), [
    ['a', 7],
    ['b', 5],
  ])
  assert.deepEqual(spreader.report(), [])
})
