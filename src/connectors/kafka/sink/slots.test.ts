import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Slots } from './slots.ts'

test('a number is not handed out again before everything under it is committed', () => {
  const step = fc.record({ parts: fc.nat({ max: 3 }), commits: fc.nat({ max: 4 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const slots = new Slots()
      const open: { slot: number; left: number }[] = []
      steps.forEach(({ parts, commits }, index) => {
        const slot = slots.take(1, index + 1)
        assert.ok(!open.some((one) => one.slot === slot), `slot ${slot} is open`)
        slots.prepared(1, slot, parts)
        if (parts > 0) open.push({ slot, left: parts })
        for (let commit = 0; commit < commits; commit++) {
          const [oldest] = open
          if (oldest === undefined) break
          slots.committed(1, oldest.slot)
          if (--oldest.left === 0) open.shift()
        }
      })
    }),
  )
})

test('three numbers are enough where checkpoints are committed as they come', () => {
  const slots = new Slots()
  const used = new Set<number>()
  let previous: number | undefined
  for (let checkpoint = 1; checkpoint <= 20; checkpoint++) {
    const slot = slots.take(1, checkpoint)
    used.add(slot)
    if (previous !== undefined) slots.committed(1, previous)
    slots.prepared(1, slot, 1)
    previous = slot
  }
  assert.deepEqual(used, new Set([0, 1, 2]))
})

test('an epoch of its own begins anew, and what is committed of the one before changes nothing', () => {
  const slots = new Slots()
  const slot = slots.take(1, 3)
  slots.prepared(1, slot, 2)
  assert.equal(slots.take(2, 3), slot)
  slots.committed(1, slot)
  slots.committed(1, slot)
  assert.notEqual(slots.take(2, 6), slot)
})
