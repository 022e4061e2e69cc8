import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CheckpointTimer } from './checkpoint-timer.ts'

test('a clock that is set back by years delays a checkpoint by its pause at most', () => {
  let now = Date.UTC(2026, 0, 1)
  const waits: number[] = []
  const clock = {
    now: () => now,
    after: (ms: number) => {
      waits.push(ms)
      return () => undefined
    },
  }
  const timer = new CheckpointTimer(1000, clock, () => undefined)
  for (let barrier = 0; barrier < 5; barrier++) timer.barrierSent()
  timer.rowsArrived()
  timer.barrierSent()
  now = Date.UTC(2016, 0, 1)
  timer.rowsArrived()
  assert.deepEqual(waits, [1000, 1000])
})

test('once it is closed, nothing sets it again', () => {
  const set = new Set<() => void>()
  const after = (_ms: number, ring: () => void): (() => void) => {
    set.add(ring)
    return () => set.delete(ring)
  }
  const timer = new CheckpointTimer(1000, { now: () => 0, after }, () => timer.again())
  timer.rowsArrived()
  const [ring] = set
  timer.close()
  assert.equal(set.size, 0)
  ring?.()
  timer.rowsArrived()
  timer.again()
  assert.equal(set.size, 0)
})
