import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PendingCommittable } from '../core/checkpoint-types.ts'
import type { CheckpointEntry, LogEntry } from './entries.ts'
import { selectGarbage } from './garbage.ts'
import { baseOf, foldLineage, sweepScope } from './lineage.ts'
import { decideRestore, goesOnAt } from './restore.ts'
import { item, names, split, SINKS, Story, tell, turn } from './testing/log-story.ts'

/** What a collection may change of a lineage. */
const COLLECTED = { checkpoints: [], beginnings: {} }

test('an empty log is a fresh start', () => {
  const lineage = foldLineage([])
  assert.deepEqual([lineage.epoch, lineage.lastSeq, lineage.nextCheckpoint, lineage.newest], [0, -1, 1, undefined])
  assert.deepEqual(decideRestore(lineage, { sources: [], sinks: [] }), { kind: 'fresh', next: 1 })
})

test('what is published and not confirmed is pending, with what earlier checkpoints left', () => {
  const story = new Story()
    .claim('p')
    .checkpoint(1, [[1, 'a']])
    .confirm(1)
    .checkpoint(2, [[2, 'a']])
    .checkpoint(3, [
      [2, 'a'],
      [3, 'a'],
      [3, 'b'],
    ])
  assert.deepEqual(names(foldLineage(story.entries).pending), ['a2', 'a3', 'b3'])
  // The manifest of 3 was written before the confirmation of 2 came in.
  assert.deepEqual(names(foldLineage(story.confirm(2).entries).pending), ['a3', 'b3'])
})

test('a voided checkpoint does not count, its number is not used again, and the one before it is restored', () => {
  const story = new Story()
    .claim('p')
    .checkpoint(1, [[1, 'a']])
    .checkpoint(2, [
      [1, 'a'],
      [2, 'a'],
    ])
    .claim('q')
    .decide({ action: 'rewind', void: 2 })
  const lineage = foldLineage(story.entries)
  assert.deepEqual(names(lineage.pending), ['a1'])
  const restore = decideRestore(lineage, { sources: ['in'], sinks: ['a'] })
  assert.deepEqual(restore.kind === 'restore' && [restore.from, restore.next], [1, 3])
})

test('a decision takes exactly its checkpoint and sink out of what is pending', () => {
  const story = new Story().claim('p').checkpoint(1, [
    [1, 'a'],
    [1, 'b'],
  ])
  const lost = foldLineage(story.decide({ action: 'accept-loss', checkpoint: 1, sink: 'a' }).entries)
  assert.deepEqual(names(lost.pending), ['b1'])
})

test('finished stays finished over later claims; stopped does not', () => {
  assert.equal(foldLineage(new Story().claim('p').end('finished').claim('q').entries).ended, 'finished')
  assert.equal(foldLineage(new Story().claim('p').end('stopped').claim('q').entries).ended, undefined)
})

test('entries that cannot follow each other are refused', () => {
  const story = new Story().claim('p').checkpoint(1).checkpoint(2)
  const [claim, one, two] = story.entries as [LogEntry, CheckpointEntry, CheckpointEntry]
  const cases: LogEntry[][] = [
    [claim, two, one],
    [claim, one, { ...two, checkpoint: 1 }],
    [claim, { ...claim, seq: 1 }],
    [claim, { ...one, epoch: 9 }],
  ]
  for (const entries of cases) assert.throws(() => foldLineage(entries), { code: 'STORE_CORRUPT' })
})

test('state without an owner is refused', () => {
  const story = new Story().claim('p').checkpoint(1, [[1, 'a']])
  const lineage = foldLineage(story.entries)
  assert.throws(() => decideRestore(lineage, { sources: ['in'], sinks: ['b'] }), { code: 'CONFIG', message: /"a"/ })
})

test('leftovers are looked for in every epoch since the last one that swept', () => {
  const story = new Story().claim('p').checkpoint(1).confirm(1).claim('q').swept().checkpoint(2).confirm(2).claim('r')
  assert.deepEqual(sweepScope(story.entries, 3).runs, [{ epoch: 2, from: 3, to: 4 }])
})

test('a run that was killed before its clean-up was over has its own and the earlier leftovers looked for', () => {
  const story = new Story()
    .claim('p')
    .claim('q')
    .checkpoint(1, [[1, 'a']])
    .claim('r')
    .confirm(1)
    .claim('s')
  assert.deepEqual(sweepScope(story.entries, 4).runs, [
    { epoch: 1, from: 1, to: 2 },
    { epoch: 2, from: 2, to: 3 },
    { epoch: 3, from: 2, to: 3 },
  ])
})

test('what an epoch may have begun is told by the claim after it, also when its checkpoints were collected', () => {
  const story = new Story().claim('p')
  for (let checkpoint = 1; checkpoint <= 9; checkpoint++) {
    story.checkpoint(checkpoint).confirm(checkpoint)
    if (checkpoint === 4) story.claim('p')
  }
  story.claim('q')
  const gone = new Set(selectGarbage(story.entries, 1))
  const runs = sweepScope(
    story.entries.filter(({ seq }) => !gone.has(seq)),
    3,
  ).runs
  assert.deepEqual(runs, [
    { epoch: 1, from: 5, to: 6 },
    { epoch: 2, from: 10, to: 11 },
  ])
})

test('from its base on a log says the same as from its beginning', () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), (turns, retained) => {
      const { entries: all, epoch } = tell(turns)
      const gone = new Set(selectGarbage(all, retained))
      const kept = all.filter((entry) => !gone.has(entry.seq))
      const base = baseOf(kept) ?? assert.fail('a log is not empty')
      const part = kept.filter((entry) => entry.seq >= base)
      assert.equal(part[0]?.kind, 'claim')
      assert.deepEqual(foldLineage(part), foldLineage(kept))
      assert.deepEqual(sweepScope(part, epoch + 1), sweepScope(kept, epoch + 1))
      assert.deepEqual(selectGarbage(part, retained), selectGarbage(kept, retained))
    }),
  )
})

test('a moment is resolved once, and a beginning as long as nothing of it is published', () => {
  const begun = foldLineage(new Story().claim('p').begin('latest', 500).claim('q').entries)
  assert.deepEqual(goesOnAt(begun, 'in', 'latest'), [split(500)])
  assert.equal(goesOnAt(begun, 'in', '2026-01-01'), undefined, 'the user has changed his mind')
  assert.equal(goesOnAt(begun, 'in', undefined), undefined, 'a file may be mended')
  assert.equal(goesOnAt(begun, 'other', 'latest'), undefined)
  const published = foldLineage(new Story().claim('p').begin('latest', 500).checkpoint(1).entries)
  assert.deepEqual(goesOnAt(published, 'in', 'latest'), [split(10)])
})

test('whatever happened: nothing voided, confirmed or decided is pending, and no number comes back', () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 40 }), (turns) => {
      const { entries } = tell(turns)
      const { pending, confirmedUpTo, checkpoints, nextCheckpoint } = foldLineage(entries)
      const voided = entries.flatMap((entry) =>
        entry.kind === 'decision' && entry.decision.action === 'rewind' ? [entry.decision.void] : [],
      )
      const marked = entries.flatMap((entry) =>
        entry.kind === 'decision' && entry.decision.action === 'mark-committed' ? [entry.decision.checkpoint] : [],
      )
      for (const one of pending) {
        assert.ok(one.checkpoint > confirmedUpTo && !voided.includes(one.checkpoint))
        assert.ok(one.sink !== 'a' || !marked.includes(one.checkpoint))
      }
      const live = checkpoints.map((entry) => entry.checkpoint)
      assert.ok(live.every((checkpoint) => !voided.includes(checkpoint) && checkpoint < nextCheckpoint))
      // Nothing is forgotten: what is published, not voided, not confirmed and not decided is pending.
      const owed = live.filter((checkpoint) => checkpoint > confirmedUpTo)
      const due = owed.flatMap((of) => SINKS.filter((sink) => sink === 'b' || !marked.includes(of)).map((s) => s + of))
      assert.deepEqual(names(pending).sort(), due.sort())
    }),
  )
})

test('a sweep never reaches its own or a later epoch, nor a published number', () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 40 }), (turns) => {
      const story = tell(turns).claim('me')
      const scope = sweepScope(story.entries, story.epoch)
      assert.equal(scope.below, story.epoch)
      for (const run of scope.runs) {
        assert.ok(run.epoch < story.epoch)
        const published = story.entries.filter((entry) => entry.kind === 'checkpoint' && entry.epoch === run.epoch)
        for (const entry of published as CheckpointEntry[]) assert.ok(entry.checkpoint < run.from)
        assert.ok(run.to === run.from + 1)
      }
      assert.deepEqual(
        scope.keep,
        foldLineage(story.entries).pending.map((one) => one.committable),
      )
    }),
  )
})

test('garbage leaves claims, decisions, the newest confirmed checkpoints and everything after them', () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (turns, retained) => {
      const { entries } = tell(turns)
      const before = foldLineage(entries)
      const gone = new Set(selectGarbage(entries, retained))
      for (const entry of entries) {
        if (gone.has(entry.seq)) assert.ok(['begin', 'checkpoint', 'confirm'].includes(entry.kind))
      }
      const after = foldLineage(entries.filter((entry) => !gone.has(entry.seq)))
      const kept = before.checkpoints.filter((entry) => entry.checkpoint <= before.confirmedUpTo).slice(-retained)
      for (const entry of kept) assert.ok(after.checkpoints.includes(entry), 'the newest confirmed ones stay')
      assert.deepEqual({ ...after, ...COLLECTED }, { ...before, ...COLLECTED })
    }),
  )
})

test('what was loaded again stands in the place of what was lost, in every manifest that still names it', () => {
  const story = new Story()
    .claim('p')
    .checkpoint(1)
    .confirm(1)
    .checkpoint(2, [
      [2, 'a'],
      [2, 'b'],
    ])
  const [lost, other] = foldLineage(story.entries).pending as [PendingCommittable, PendingCommittable]
  const again = { ...lost, epoch: 2, committable: { again: 1 } }
  const reload = { action: 'reload', checkpoint: 2, sink: 'a', lost: lost.committable, item: again } as const
  story.claim('q').decide(reload)
  assert.deepEqual(foldLineage(story.entries).pending, [again, other])
  assert.equal(foldLineage(story.entries).pending[0], again, 'the same one at every look')
  story.checkpoint(3, [
    [2, 'a'],
    [2, 'b'],
    [3, 'a'],
  ])
  assert.deepEqual(foldLineage(story.entries).pending.slice(0, 2), [again, other])
  const twice = { ...again, epoch: 3, committable: { again: 2 } }
  story.claim('r').decide({ ...reload, lost: again.committable, item: twice })
  assert.deepEqual(foldLineage(story.entries).pending[0], twice)
  assert.deepEqual(foldLineage(story.confirm(3).entries).pending, [])
})

test('a start looks for transactions with kept rows under each epoch that ended with something unconfirmed', () => {
  const story = new Story()
    .claim('p')
    .checkpoint(1, [[1, 'a']])
    .claim('q')
    .claim('r')
    .confirm(1)
    .checkpoint(2, [[2, 'a']])
  const found = sweepScope(story.claim('s').entries, 4).unconfirmed ?? []
  const [one, two] = [item(1, 'a'), item(2, 'a')].map(({ committable }) => committable)
  assert.deepEqual(
    found.map(({ epoch, committable }) => [epoch, committable]),
    [
      [1, one],
      [2, one],
      [3, two],
    ],
  )
  const item1 = foldLineage(story.entries).pending[0]
  assert.ok(item1 !== undefined)
  const again = { ...item1, committable: { again: 1 } }
  story.decide({ action: 'reload', checkpoint: 2, sink: 'a', lost: item1.committable, item: again }).claim('t')
  assert.deepEqual(sweepScope(story.entries, 5).unconfirmed?.at(-1), { epoch: 4, sink: 'a', committable: { again: 1 } })
})
