import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StallDetector } from './stall-detector.ts'

const LIMIT = 100

test('rows that wait at the source while none comes through are a stall', () => {
  const stalls = new StallDetector({ limitMs: LIMIT }, 0)
  assert.equal(stalls.look(5, LIMIT), undefined, 'not before the limit')
  assert.equal(stalls.look(5, LIMIT + 1), 'reading')
  stalls.passed(1, LIMIT + 2)
  assert.equal(stalls.look(5, LIMIT + 3), undefined, 'it moves again')
})

test('a source with nothing to read, or that cannot tell, is never a stall', () => {
  const stalls = new StallDetector({ limitMs: LIMIT }, 0)
  assert.equal(stalls.look(0, 10 * LIMIT), undefined)
  assert.equal(stalls.look(undefined, 20 * LIMIT), undefined)
  assert.equal(stalls.look(1, 21 * LIMIT), undefined, 'the lag is new')
  assert.equal(stalls.look(1, 21 * LIMIT + 1), 'reading')
})

test('rows that were read and do not become visible are a stall, however many more are read', () => {
  const stalls = new StallDetector({ limitMs: LIMIT }, 0)
  for (let now = 10; now <= LIMIT + 20; now += 10) stalls.passed(now, now)
  assert.equal(stalls.look(undefined, LIMIT + 20), 'committing')
  stalls.confirmed(true, LIMIT + 30)
  assert.equal(stalls.look(undefined, 10 * LIMIT), undefined)
})

test('a checkpoint that is confirmed while the next one waits starts the time anew', () => {
  const stalls = new StallDetector({ limitMs: LIMIT }, 0)
  stalls.passed(1, 10)
  stalls.confirmed(false, 100)
  assert.equal(stalls.look(undefined, 150), undefined)
  assert.equal(stalls.look(undefined, 201), 'committing')
})
