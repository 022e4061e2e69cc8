import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MillraceError } from '../core/errors.ts'
import { addLetters, countDeadLetters, type DeadLettersOfPart, type DeadLetterTotals } from './dead-letter-budget.ts'

const FIRST = { source: 'ev', split: 'ev/0', position: { offset: '7' }, reason: 'broken JSON' }

function letters(rows: number): ReadonlyMap<string, DeadLettersOfPart> {
  return rows === 0 ? new Map() : new Map([['ev', { rows, first: FIRST }]])
}

interface Cut {
  readonly read: number
  readonly dead: number
}

/** The totals after some checkpoints, or the message of the one that is refused. */
function countAll(
  route: { readonly maxRows?: number; readonly maxRatio?: number },
  cuts: readonly Cut[],
  isEnd = false,
): DeadLetterTotals | string {
  const routes = { ev: { to: 'bad', maxRatio: 0.1, ...route } }
  let totals: DeadLetterTotals = {}
  try {
    for (const [index, { read, dead }] of cuts.entries()) {
      const isLast = isEnd && index === cuts.length - 1
      totals = countDeadLetters(routes, totals, { checkpoint: index + 1, read, letters: letters(dead), isEnd: isLast })
    }
    return totals
  } catch (thrown) {
    assert.ok(thrown instanceof MillraceError && thrown.code === 'POISON' && thrown.exitCode === 71, String(thrown))
    return thrown.message
  }
}

test('maxRows counts over all checkpoints, and the message names the first record of the one that is refused', () => {
  const cuts = [
    { read: 1000, dead: 2 },
    { read: 1000, dead: 1 },
  ]
  assert.deepEqual(countAll({ maxRows: 3 }, cuts), { ev: { rows: 3, window: { records: 2000, rows: 3 } } })
  const refused = countAll({ maxRows: 2 }, cuts)
  assert.match(String(refused), /3 records were put aside, more than maxRows: 2\. Checkpoint 2 was not published/)
  assert.match(String(refused), /ev, split ev\/0, \{"offset":"7"\}: broken JSON/)
})

test('a ratio is not judged over a few records before their source has ended', () => {
  const cuts = [{ read: 20, dead: 5 }]
  assert.equal(typeof countAll({}, cuts), 'object')
  assert.match(String(countAll({}, cuts, true)), /5 of the last 20 records were put aside, more than maxRatio: 0.1/)
})

test('a flood is noticed after a long time without bad records', () => {
  const calm = Array.from({ length: 50 }, () => ({ read: 10_000, dead: 0 }))
  const flood = Array.from({ length: 3 }, () => ({ read: 2_000, dead: 1_500 }))
  assert.match(String(countAll({}, [...calm, ...flood])), /1500 of the last 2000 records/)
})

test('without a flood every record is counted, however the checkpoints fall', () => {
  const cut = fc.nat(5000).chain((read) => fc.record({ read: fc.constant(read), dead: fc.nat(Math.floor(read / 100)) }))
  fc.assert(
    fc.property(fc.array(cut, { maxLength: 20 }), (cuts) => {
      const totals = countAll({}, cuts)
      assert.ok(typeof totals === 'object', String(totals))
      const sum = cuts.reduce((rows, { dead }) => rows + dead, 0)
      assert.equal(totals['ev']?.rows ?? 0, sum)
    }),
  )
})

test('letters of several lanes are added up, with the first of one of them', () => {
  const sum = addLetters([letters(2), letters(0), letters(3)])
  assert.deepEqual([...sum], [['ev', { rows: 5, first: FIRST }]])
})
