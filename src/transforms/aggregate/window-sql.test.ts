/** Windows in SQL against their definition. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { openLaneDatabase, type Window } from '../../dataplane/index.ts'
import { lastEndSql, sliceOf, sliceSql, windowsSql, type FixedWindow } from './window-sql.ts'

const database = await openLaneDatabase({ memoryLimitBytes: 64 * 1024 * 1024 })
after(() => database.close())

const fixed: fc.Arbitrary<FixedWindow> = fc
  .record({
    kind: fc.constantFrom('tumbling' as const, 'hopping' as const, 'cumulative' as const),
    every: fc.integer({ min: 1, max: 12 }),
    times: fc.integer({ min: 1, max: 5 }),
    more: fc.nat(11),
    offset: fc.nat(4),
  })
  .map(({ kind, every, times, more, offset }) => {
    const size = kind === 'cumulative' ? every * times : every + more
    return kind === 'tumbling' ? { kind, size, offset: offset % size } : { kind, size, every, offset: offset % size }
  })

/** All windows around a moment, by the words of the definition. */
function windowsAt(moment: number, window: FixedWindow): string[] {
  const found: string[] = []
  for (let start = moment - 200; start <= moment; start++) {
    const step = window.kind === 'hopping' ? window.every : window.size
    if ((((start - window.offset) % step) + step) % step !== 0) continue
    const lengths =
      window.kind === 'cumulative'
        ? Array.from({ length: window.size / window.every }, (_, index) => (index + 1) * window.every)
        : [window.size]
    for (const length of lengths) if (moment < start + length) found.push(`${start} ${start + length}`)
  }
  return found.sort()
}

test('a moment belongs to the windows that hold it, also before 1970 and with an offset', async () => {
  await fc.assert(
    fc.asyncProperty(fixed, fc.integer({ min: -60, max: 60 }), async (window, moment) => {
      const { edge, bounds } = windowsSql(window, 'slice')
      const { start, end } = bounds('edge')
      const slices = `SELECT ${sliceSql(window, 'm')} AS slice FROM (SELECT ${moment}::BIGINT AS m)`
      const rows = await database.run(`SELECT ${start}, ${end} FROM (SELECT ${edge} AS edge FROM (${slices}))`)
      assert.deepEqual(rows.map(([from, to]) => `${String(from)} ${String(to)}`).sort(), windowsAt(moment, window))
    }),
    { numRuns: 60 },
  )
})

test('nothing takes a moment after the end of its last window', async () => {
  const session: Window = { kind: 'session', gap: 7 }
  await fc.assert(
    fc.asyncProperty(fixed, fc.integer({ min: -60, max: 60 }), async (window, moment) => {
      const ends = windowsAt(moment, window).map((text) => Number(text.split(' ')[1]))
      const sql = `SELECT ${lastEndSql(window, 'm')}, ${lastEndSql(session, 'm')} FROM (SELECT ${moment}::BIGINT AS m)`
      const [[last, alone] = []] = await database.run(sql)
      assert.equal(Number(last), Math.max(...ends))
      assert.equal(Number(alone), moment + 7)
    }),
    { numRuns: 40 },
  )
})

test('hopping windows share slices as long as the greatest length that divides both', () => {
  assert.equal(sliceOf({ kind: 'hopping', size: 10, every: 4, offset: 0 }), 2)
  assert.equal(sliceOf({ kind: 'hopping', size: 9, every: 9, offset: 0 }), 9)
  assert.equal(sliceOf({ kind: 'cumulative', size: 12, every: 4, offset: 0 }), 4)
})
