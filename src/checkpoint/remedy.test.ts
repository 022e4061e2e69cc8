import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PendingCommittable } from '../core/checkpoint-types.ts'
import { foldLineage } from './lineage.ts'
import { decideRemedy, legalDecisions } from './remedy.ts'
import { decideRestore, goesOnAt } from './restore.ts'
import { item, split, Story } from './testing/log-story.ts'

test('a checkpoint is taken back only when it is the newest, something is before it, and nothing of it is visible', () => {
  const two = new Story()
    .claim('p')
    .checkpoint(1)
    .confirm(1)
    .checkpoint(2, [
      [2, 'a'],
      [2, 'b'],
    ])
  const lineage = foldLineage(two.entries)
  const [a, b] = lineage.pending as [PendingCommittable, PendingCommittable]
  const lost = { item: a, code: 'PREPARED_LOST' } as const
  assert.deepEqual(decideRemedy(lineage, lost, new Set()), { kind: 'rewind', void: 2, abort: [b] })
  assert.equal(decideRemedy(lineage, lost, new Set([b])).kind, 'halt')
  assert.equal(decideRemedy(lineage, { item: a, code: 'OUTCOME_UNKNOWN' }, new Set()).kind, 'halt')
  const only = foldLineage(new Story().claim('p').checkpoint(2, [[2, 'a']]).entries)
  assert.equal(decideRemedy(only, { ...lost, item: item(2, 'a') }, new Set()).kind, 'halt')
  const later = foldLineage(two.checkpoint(3, [[2, 'a']]).entries)
  assert.equal(decideRemedy(later, { ...lost, item: item(2, 'a') }, new Set()).kind, 'halt')
  assert.ok(!legalDecisions(later, item(2, 'a'), false).includes('rewind'))
})

test('a checkpoint is not taken back when a person has decided about a sink: parts of it may be visible', () => {
  for (const action of ['mark-committed', 'accept-loss'] as const) {
    const story = new Story().claim('p').checkpoint(1).confirm(1)
    story.checkpoint(2, [
      [2, 'a'],
      [2, 'b'],
    ])
    const lineage = foldLineage(story.decide({ action, checkpoint: 2, sink: 'a' }).entries)
    const [b] = lineage.pending as [PendingCommittable]
    assert.equal(decideRemedy(lineage, { item: b, code: 'PREPARED_LOST' }, new Set()).kind, 'halt')
    assert.ok(!legalDecisions(lineage, b, false).includes('rewind'))
  }
})

test('the first checkpoint is taken back to where the sources began, if the log remembers it', () => {
  const lost = { item: item(1, 'a'), code: 'PREPARED_EXPIRED' } as const
  const publish = (story: Story): Story => story.checkpoint(1, [[1, 'a']])
  const forgotten = foldLineage(publish(new Story().claim('p')).entries)
  assert.equal(decideRemedy(forgotten, lost, new Set()).kind, 'halt')
  assert.ok(!legalDecisions(forgotten, lost.item, false).includes('rewind'))
  const story = publish(new Story().claim('p').begin('latest', 500))
  const lineage = foldLineage(story.entries)
  const [only] = lineage.pending as [PendingCommittable]
  assert.deepEqual(decideRemedy(lineage, { ...lost, item: only }, new Set()), { kind: 'rewind', void: 1, abort: [] })
  assert.ok(legalDecisions(lineage, lost.item, false).includes('rewind'))

  const back = foldLineage(story.decide({ action: 'rewind', void: 1 }).claim('q').entries)
  assert.deepEqual(decideRestore(back, { sources: ['in'], sinks: ['a'] }), { kind: 'fresh', next: 2 })
  // Whatever the options say by now: rows of that checkpoint were read from here.
  for (const moment of ['latest', 'another', undefined]) {
    assert.deepEqual(goesOnAt(back, 'in', moment), [split(500)])
  }
})

test('kept rows are loaded again before anything is taken back, whatever is built on them; an unknown outcome never', () => {
  const story = new Story()
    .claim('p')
    .checkpoint(1, [[1, 'a']])
    .checkpoint(2, [[1, 'a']])
  const lineage = foldLineage(story.entries)
  const [first] = lineage.pending as [PendingCommittable]
  assert.equal(decideRemedy(lineage, { item: first, code: 'PREPARED_EXPIRED', isKept: true }, new Set()).kind, 'reload')
  assert.equal(decideRemedy(lineage, { item: first, code: 'PREPARED_EXPIRED' }, new Set()).kind, 'halt')
  assert.equal(decideRemedy(lineage, { item: first, code: 'OUTCOME_UNKNOWN', isKept: true }, new Set()).kind, 'halt')
})
