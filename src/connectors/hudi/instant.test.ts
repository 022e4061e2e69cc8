import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatInstant, instantMs, nextInstant } from './instant.ts'
import { parseTimelineFileName, timelineFileName } from './timeline-file.ts'
import { compareInstants } from './timeline.ts'

const milliseconds = fc.integer({ min: Date.UTC(1970, 0, 1), max: Date.UTC(9999, 0, 1) })

test('instants are UTC times of 17 digits and sort as text like times', () => {
  assert.equal(formatInstant(Date.UTC(2026, 10, 21, 3, 0, 32, 128)), '20261121030032128')
  fc.assert(
    fc.property(milliseconds, milliseconds, (a, b) => {
      assert.equal(instantMs(formatInstant(a)), a)
      assert.equal(Math.sign(compareInstants(formatInstant(a), formatInstant(b))), Math.sign(a - b))
    }),
  )
})

test('the next instant is now, but always after the newest one, also when the clock went back', () => {
  assert.equal(nextInstant(Date.UTC(2026, 0, 1), undefined), '20260101000000000')
  assert.equal(nextInstant(Date.UTC(2026, 0, 1), '20251231235959999'), '20260101000000000')
  assert.equal(nextInstant(Date.UTC(2026, 0, 1), '20260101000000000'), '20260101000000001')
  assert.equal(nextInstant(Date.UTC(2020, 0, 1), '20261231235959999'), '20270101000000000')
  assert.equal(nextInstant(Date.UTC(2020, 0, 1), '20261231235959'), '20270101000000000')
})

test('an instant of seconds counts as the end of its second', () => {
  assert.ok(compareInstants('20261121030032', '20261121030032998') > 0)
  assert.ok(compareInstants('20261121030032', '20261121030033000') < 0)
})

test('timeline file names are those of layout 1, and are read back', () => {
  const time = '20261121030032128'
  const name = (action: string, state: 'requested' | 'inflight' | 'completed'): string =>
    timelineFileName({ time, action, state })
  assert.equal(name('commit', 'requested'), `${time}.commit.requested`)
  assert.equal(name('commit', 'inflight'), `${time}.inflight`)
  assert.equal(name('commit', 'completed'), `${time}.commit`)
  assert.equal(name('rollback', 'inflight'), `${time}.rollback.inflight`)
  for (const action of ['commit', 'rollback', 'clean', 'replacecommit']) {
    for (const state of ['requested', 'inflight', 'completed'] as const) {
      assert.deepEqual(parseTimelineFileName(name(action, state)), { time, action, state })
    }
  }
})

test('other files in .hoodie are no instants', () => {
  for (const name of [
    'hoodie.properties',
    '.20261121030032128.commit.crc',
    '20261121030032128',
    '2026112103003.commit',
    '20261121030032128.requested',
    '20261121030032128.inflight.requested',
    '20261121030032128_20261121030032129.commit',
  ]) {
    assert.equal(parseTimelineFileName(name), undefined, name)
  }
})
