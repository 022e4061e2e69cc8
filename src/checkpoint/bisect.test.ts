import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { afterTrial, countRecords, nextTrial, startBisection, type Bisection, type RecordRange } from './bisect.ts'

type IsRefused = (trial: readonly RecordRange[]) => boolean

function search(ranges: readonly RecordRange[], isRefused: IsRefused): { end: Bisection; trials: number } {
  let end = startBisection(ranges)
  let trials = 0
  for (let trial = nextTrial(end); trial !== undefined; trial = nextTrial(end)) {
    trials += 1
    end = afterTrial(end, isRefused(trial) ? 'refused' : 'accepted')
  }
  return { end, trials }
}

const splits = fc
  .array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 5 })
  .map((counts) => counts.map((to, index) => ({ source: 'in', split: `t/${index}`, from: 0, to })))

test('the first bad record of the first split that has one is named, in few trials', () => {
  fc.assert(
    fc.property(splits, fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), (ranges, picks) => {
      const all = ranges.flatMap((range) =>
        Array.from({ length: range.to }, (_, from) => ({ ...range, from, to: from + 1 })),
      )
      fc.pre(all.length > 0)
      const bad = picks.map((pick) => pick % all.length).sort((a, b) => a - b)
      const { end, trials } = search(ranges, (trial) => bad.some((index) => covers(trial, all[index])))
      assert.deepEqual(end.refused, [all[bad[0] ?? 0]])
      assert.ok(trials <= Math.ceil(Math.log2(all.length)) + 1, `${trials} trials for ${all.length} records`)
    }),
  )
})

test('where no record alone is refused, the smallest refused range is what remains', () => {
  const ranges = [{ source: 'in', split: 't/0', from: 0, to: 8 }]
  const { end } = search(ranges, (trial) => countRecords(trial) >= 4)
  assert.equal(countRecords(end.refused), 4)
  assert.deepEqual(end.suspects, [])
})

test('a checkpoint of one record is offered once, so that its place is known', () => {
  const { end, trials } = search([{ source: 'in', split: 't/0', from: 0, to: 1 }], () => true)
  assert.equal(trials, 1)
  assert.equal(end.isTried, true)
})

test('without records there is nothing to try', () => {
  assert.equal(nextTrial(startBisection([{ source: 'in', split: 't/0', from: 0, to: 0 }])), undefined)
})

function covers(trial: readonly RecordRange[], record: RecordRange | undefined): boolean {
  return trial.some(({ split, from, to }) => split === record?.split && from <= record.from && record.to <= to)
}
