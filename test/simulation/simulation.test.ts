import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { describeFault } from '../../src/testkit/simulator/faults.ts'
import { scheduleOf, simulate, type Schedule } from '../../src/testkit/simulator/simulate.ts'
import { shrink } from '../../src/testkit/simulator/shrink.ts'
import { MUTANTS } from './mutants.ts'

test('the same seed plays the same schedule to the last event', async () => {
  for (const seed of [1, 2, 3]) {
    const [one, other] = [await simulate(scheduleOf(seed, 20)), await simulate(scheduleOf(seed, 20))]
    assert.equal(one.hash, other.hash, `seed ${seed}`)
  }
})

test('schedules that once failed go well', async () => {
  const corpus = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8')) as (Schedule & {
    readonly why: string
  })[]
  assert.ok(corpus.length > 0)
  for (const { why, ...schedule } of corpus) assert.deepEqual((await simulate(schedule)).violations, [], why)
})

test('a schedule that fails is made small and told as a story', async () => {
  const failing = { ...scheduleOf(1, 6), family: 'unheard-of' }
  await assert.rejects(simulate(failing), /no sink family/)
  const { schedule, story } = await shrink(scheduleOf(1, 6))
  assert.equal(schedule.faults.length, 6, 'nothing is left out of one that goes well')
  const isTold = schedule.faults.filter((fault) => story.some((line) => line.includes(describeFault(fault))))
  assert.ok(isTold.length > 0, 'what struck is in the story')
})

test('every mutant has a name of its own, and breaks a piece that stands exactly once in today’s source', () => {
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length)
  for (const { name, file, find } of MUTANTS) {
    const source = readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8')
    assert.equal(source.split(find).length - 1, 1, name)
  }
})
