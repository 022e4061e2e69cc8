import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PendingCommittable } from '../core/checkpoint-types.ts'
import type { Examined } from './decision-case.ts'
import type { CheckpointEntry, LogEntry } from './entries.ts'
import type { Lineage } from './lineage.ts'
import { planRollback, takenBack, whyNoRollback } from './rollback.ts'

const PLAN = { sources: ['rows'], sinks: ['out'] }

function item(checkpoint: number, rows: number, sink = 'out'): PendingCommittable {
  return { sink, checkpoint, epoch: 1, orderKey: '', rows, committable: { label: `${sink}${checkpoint}` } }
}

function entry(checkpoint: number, ...pending: PendingCommittable[]): CheckpointEntry {
  return { kind: 'checkpoint', checkpoint, sources: { rows: [] }, pending } as unknown as CheckpointEntry
}

function lineageOf(checkpoints: readonly CheckpointEntry[], confirmedUpTo: number, ended?: 'finished'): Lineage {
  return { checkpoints, newest: checkpoints.at(-1), confirmedUpTo, ended } as unknown as Lineage
}

function examined(one: PendingCommittable, state: 'committed' | 'committable' | 'unknown'): Examined {
  return { item: one, evidence: { state, reason: '' } }
}

test('what is confirmed will be there twice, what is prepared is aborted, and each counts once', () => {
  const third = item(3, 30)
  const entries = [
    entry(1, item(1, 10)),
    entry(2, item(2, 20), item(2, 5, 'other')),
    entry(3, third),
    entry(4, third, item(4, 40)),
  ]
  const lineage = lineageOf(entries, 2)
  const plan = planRollback(entries[0] as CheckpointEntry, entries, lineage, [examined(third, 'committed')])
  assert.deepEqual(plan, {
    to: 1,
    from: 4,
    sinks: [
      { sink: 'out', duplicated: 50, voided: 40 },
      { sink: 'other', duplicated: 5, voided: 0 },
    ],
    untold: null,
  })
})

test('rows that were given up are neither there nor aborted, and collected checkpoints are named', () => {
  const given = { kind: 'decision', decision: { action: 'accept-loss', checkpoint: 5, sink: 'out' } } as LogEntry
  const kept = [entry(5, item(5, 50)), entry(6, item(6, 60))]
  const plan = planRollback(entry(2), [...kept, given], lineageOf(kept, 6), [])
  assert.deepEqual(plan.sinks, [{ sink: 'out', duplicated: 60, voided: 0 }])
  assert.deepEqual(plan.untold, { from: 3, to: 4 })
})

test('a job goes back only where nothing is lost or in doubt by it', () => {
  const lineage = lineageOf([entry(1), entry(2), entry(3)], 2)
  const [first, second, third] = lineage.checkpoints as [CheckpointEntry, CheckpointEntry, CheckpointEntry]
  assert.equal(whyNoRollback(first, [], lineage, PLAN, [examined(item(3, 1), 'committable')]), undefined)
  const refused: [string | undefined, RegExp][] = [
    [whyNoRollback(third, [], lineage, PLAN, []), /checkpoint 3 is not confirmed/],
    [whyNoRollback(third, [], lineageOf([third], 3), PLAN, []), /is the newest one/],
    [whyNoRollback(second, [], lineageOf([second, third], 3, 'finished'), PLAN, []), /has finished/],
    [whyNoRollback({ ...first, sources: {} }, [], lineage, PLAN, []), /source rows has no position.*came later/],
    [
      whyNoRollback(first, [], lineage, { ...PLAN, sources: [] }, []),
      /positions of rows, which is not in the pipeline/,
    ],
    [whyNoRollback(first, [], lineage, PLAN, [examined(item(3, 7), 'unknown')]), /cannot tell about 7 rows.*decide/],
  ]
  for (const [why, expected] of refused) assert.match(why ?? 'allowed', expected)
})

test('what was taken back before all its rows were there is no place to go to; what was confirmed before is', () => {
  const back = (checkpoint: number, to: number): CheckpointEntry => ({
    ...entry(checkpoint),
    rollback: { to, by: 'operator', reason: 'test' },
  })
  const confirm = (checkpoint: number): LogEntry => ({ kind: 'confirm', checkpoint }) as LogEntry
  const checkpoints = [entry(1), entry(2), entry(3), back(4, 1), entry(5)]
  const [one, two, three, four, five] = checkpoints as [
    CheckpointEntry,
    CheckpointEntry,
    CheckpointEntry,
    CheckpointEntry,
    CheckpointEntry,
  ]
  const entries = [one, confirm(1), two, confirm(2), three, four, confirm(4), five, confirm(5)]
  const lineage = lineageOf(checkpoints, 5)
  const why = (target: CheckpointEntry): string | undefined => whyNoRollback(target, entries, lineage, PLAN, [])
  assert.match(why(three) ?? 'allowed', /went back from checkpoint 3 before it was confirmed \(as checkpoint 4\)/)
  for (const target of [one, two, four]) assert.equal(why(target), undefined)
  const taken = [1, 2, 3, 4, 5].map((checkpoint) => takenBack(checkpoint, entries))
  const none = undefined
  assert.deepEqual(taken, [none, { by: 4, wasConfirmed: true }, { by: 4, wasConfirmed: false }, none, none])
})
