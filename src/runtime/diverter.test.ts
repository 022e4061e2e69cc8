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
  deadLetters: { ev: { to: 'bad', maxRatio: 1 }, out: { to: 'bad', maxRatio: 1 } },
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
        const start = at
        const rawOf = (row: number): Uint8Array => Buffer.from(`raw ${start + row}`)
        const made = bytesBatch(records, { from: { offset: at }, next: { offset: at + size } })
        const batch = { ...made, rawOf, release: () => made.release() }
        const { rest, posted } = await diverter.take('ev', batch)
        if (rest !== batch) assert.equal(made.releases, 1)
        const left = rest.rows > 0 ? recordsOf(rest) : []
        passed.push(...left)
        left.forEach((record, row) => assert.equal(`${rest.rawOf?.(row)}`, `raw ${/\d+/.exec(record)?.[0]}`))
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
        sorted.filter((id) => id < at).map((id) => [`raw ${id}`, `{"offset":"${id}"}`, 3]),
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

test('records that nobody could read become dead letters of their source, also where no row is left', async () => {
  const diverter = openDiverter()
  diverter.begin({})
  const position = { offset: '7' }
  const raw = Buffer.from([0xff])
  const batch = { ...bytesBatch([]), unread: [{ position, reason: 'cut off', column: '', raw }] }
  const { rest, posted } = await diverter.take('ev', batch)
  assert.equal(rest.rows, 0)
  const [letter] = posted.flatMap((one) => recordsOf(one.batch).map((line) => JSON.parse(line) as object))
  assert.deepEqual(letter, {
    ...{ source: 'ev', split: 's/0', position: '{"offset":"7"}', checkpoint: 3, attempt: 1, step: 'ev' },
    ...{ code: 'POISON', reason: 'cut off', column_name: null, raw: '/w==', encoding: 'base64' },
  })
})
