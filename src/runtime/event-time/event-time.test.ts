import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventTimeDesk } from './event-time-desk.ts'
import { LaneEventTime } from './lane-event-time.ts'

const STEP = { step: 'agg', sources: ['in'], delay: 10n, idleMs: 1000 }

test('event time of a lane is that of the split that is furthest behind, less the delay', () => {
  const time = new LaneEventTime([STEP, { ...STEP, step: 'other', sources: ['elsewhere'] }])
  time.add('in', ['a', 'b'])
  assert.deepEqual(
    [...time.report()],
    [
      ['agg', 'waiting'],
      ['other', 'idle'],
    ],
  )
  time.reading('in', 'a')
  time.saw('agg', 500n)
  assert.deepEqual([...time.report()], [], 'nothing came of b yet')
  time.reading('in', 'b')
  time.saw('agg', 300n)
  time.saw('agg', 200n)
  assert.deepEqual([...time.report()], [['agg', 290n]])
  time.remove('in', 'b')
  assert.deepEqual([...time.report()], [['agg', 490n]], 'what has ended holds nothing back')
  time.remove('in', 'a')
  assert.deepEqual([...time.report()], [['agg', 'idle']])
})

test('a quiet split holds event time back until it is idle, and again when rows come of it', () => {
  const time = new LaneEventTime([STEP])
  time.add('in', ['a', 'b'])
  time.reading('in', 'a')
  time.saw('agg', 500n)
  time.passed(999)
  assert.equal(time.report().get('agg'), 'waiting')
  time.saw('agg', 600n)
  time.passed(1)
  assert.equal(time.report().get('agg'), 590n)
  time.reading('in', 'b')
  time.saw('agg', 100n)
  assert.equal(time.report().get('agg'), 90n)
})

test('splits of two sources with the same name are two splits', () => {
  const time = new LaneEventTime([{ ...STEP, sources: ['in', 'also'] }])
  time.add('in', ['a'])
  time.add('also', ['a'])
  time.reading('in', 'a')
  time.saw('agg', 500n)
  assert.equal(time.report().get('agg'), 'waiting')
})

test('barriers carry the least of all lanes, which never goes back and outlives a start', () => {
  const desk = new EventTimeDesk(2)
  desk.begin({ agg: { definition: '', eventTime: '50', parts: [] } })
  assert.deepEqual(desk.settle(), new Map([['agg', 50n]]))
  assert.equal(desk.hear(0, new Map([['agg', 300n]])), false, 'the other lane has said nothing')
  assert.equal(desk.hear(1, new Map([['agg', 20n]])), false)
  assert.deepEqual(desk.settle(), new Map([['agg', 50n]]))
  assert.equal(desk.hear(1, new Map([['agg', 200n]])), true)
  assert.deepEqual(desk.settle(), new Map([['agg', 200n]]))
  assert.equal(desk.hear(1, new Map([['agg', 'idle']])), true, 'an idle lane does not count')
  assert.deepEqual(desk.settle(), new Map([['agg', 300n]]))
  assert.equal(desk.hear(0, new Map([['agg', 'idle']])), false, 'nobody knows how late it is')
  desk.begin(undefined)
  assert.deepEqual(desk.settle(), new Map())
})
