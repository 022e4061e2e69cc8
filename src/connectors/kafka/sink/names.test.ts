import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseId, transactionalId } from './names.ts'

const name = fc.record({
  prefix: fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/),
  job: fc.string({ minLength: 1 }),
  sink: fc.string({ minLength: 1, maxLength: 60 }),
  topic: fc.string({ minLength: 1 }),
})
const parts = fc.record({ lane: fc.nat(), epoch: fc.nat(), slot: fc.nat({ max: 9 }) })

test('an id tells its parts, in letters that every broker takes', () => {
  fc.assert(
    fc.property(name, parts, (of, given) => {
      const id = transactionalId(of, given)
      assert.match(id, /^[A-Za-z0-9_-]{1,249}$/)
      assert.deepEqual(parseId(of, id), { ...given })
    }),
  )
})

test('an id belongs to one sink: not to one of another job, name or topic', () => {
  const of = { prefix: 'mr', job: 'j', sink: 'out', topic: 't' }
  const id = transactionalId(of, { lane: 1, epoch: 2, slot: 0 })
  for (const other of [{ job: 'k' }, { sink: 'ou' }, { topic: 'u' }, { prefix: 'm' }])
    assert.equal(parseId({ ...of, ...other }, id), undefined)
  assert.equal(parseId(of, `${id}x`), undefined)
})
