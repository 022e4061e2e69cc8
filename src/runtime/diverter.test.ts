import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Plan } from '../plan/plan.ts'
import { bytesBatch } from '../testkit/bytes-batch.ts'
import { recordsOf } from '../testkit/read-splits.ts'
import { modelPlan } from '../testkit/model/model-plan.ts'
import { Diverter } from './diverter.ts'
import { LetterBox } from './letter-box.ts'

const PLAN: Plan = {
  ...modelPlan({ directory: '.', source: {}, lanes: 1, intervalMs: 1 }),
  deadLetters: { out: { to: 'bad', maxRatio: 1 } },
  steps: [{ kind: 'letters', id: 'bad.letters', sink: 'bad', outputs: [{ to: 'bad' }] }],
}

function openDiverter(): Diverter {
  const box = LetterBox.of(PLAN)
  assert.ok(box)
  box.begin(3)
  return new Diverter(box, async () => assert.fail('there are no tables here'))
}

const refused = (record: number): { record: number; part: string; code: string; reason: string } => ({
  ...{ record, part: 'out', code: 'POISON' },
  reason: 'too long',
})

test('records are diverted by their number, whatever batches they come in, and all others go on', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(sizes, fc.uniqueArray(fc.nat(80)), async (batches, numbers) => {
      const diverter = openDiverter()
      const sorted = numbers.toSorted((left, right) => left - right)
      diverter.begin({ ev: { 's/0': sorted.map(refused) } })
      const passed: string[] = []
      const letters: { raw: string; position: string; checkpoint: number }[] = []
      let at = 0
      for (const size of batches) {
        const records = Array.from({ length: size }, (_, index) => `{"id":${at + index}}`)
        const batch = bytesBatch(records, { from: { offset: at }, next: { offset: at + size } })
        const { rest, posted } = await diverter.take('ev', batch)
        if (rest !== undefined) passed.push(...recordsOf(rest))
        if (rest !== batch) assert.equal(batch.releases, 1)
        for (const one of posted) letters.push(...recordsOf(one.batch).map((line) => JSON.parse(line)))
        at += size
      }
      const all = Array.from({ length: at }, (_, id) => id)
      assert.deepEqual(
        passed,
        all.filter((id) => !numbers.includes(id)).map((id) => `{"id":${id}}`),
      )
      assert.deepEqual(
        letters.map(({ raw, position, checkpoint }) => [raw, position, checkpoint]),
        sorted.filter((id) => id < at).map((id) => [`{"id":${id}}`, `{"offset":"${id}"}`, 3]),
      )
    }),
  )
})

test('a split that comes later is not taken for the one whose records were counted', async () => {
  const diverter = openDiverter()
  diverter.begin({ ev: { 's/0': [refused(0)] } })
  diverter.forget('ev', [{ split: 's/0' }])
  const batch = bytesBatch(['{"id":1}'])
  assert.deepEqual(await diverter.take('ev', batch), { rest: batch, posted: [] })
})
