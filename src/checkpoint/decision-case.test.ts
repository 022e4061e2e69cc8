import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Evidence, PendingCommittable } from '../core/checkpoint-types.ts'
import { decisionCase, type Examined } from './decision-case.ts'
import type { CheckpointEntry } from './entries.ts'
import type { Lineage } from './lineage.ts'

const COMMITTED: Evidence = { state: 'committed' }
const PREPARED: Evidence = { state: 'committable' }
const LOST: Evidence = { state: 'lost', reason: 'aborted', expired: false }
const UNKNOWN: Evidence = { state: 'unknown', reason: 'forgotten' }

function item(checkpoint: number, sink: string, rows: number): PendingCommittable {
  return { checkpoint, sink, rows, epoch: 1, orderKey: sink, committable: { rows } }
}

/** A lineage of these checkpoints; only what decisions look at is there. */
function lineageOf(...checkpoints: number[]): Lineage {
  const entries = checkpoints.map((checkpoint) => ({ checkpoint, sources: { in: [] } }) as unknown as CheckpointEntry)
  return {
    epoch: 1,
    lastSeq: 9,
    checkpoints: entries,
    newest: entries.at(-1),
    confirmedUpTo: 0,
    pending: [],
    confirmed: [],
    decided: new Set(),
    nextCheckpoint: 9,
    beginnings: {},
    publishedSources: new Set(['in']),
    ended: undefined,
  }
}

function caseOf(lineage: Lineage, ...given: [PendingCommittable, Evidence][]): ReturnType<typeof decisionCase> {
  return decisionCase(
    lineage,
    given.map(([of, evidence]): Examined => ({ item: of, evidence })),
  )
}

test('what is prepared or committed is no case', () => {
  assert.equal(caseOf(lineageOf(1, 2), [item(2, 'a', 1), PREPARED], [item(2, 'b', 1), COMMITTED]), undefined)
})

test('the oldest trouble is decided first, with its own rows only', () => {
  const found = caseOf(
    lineageOf(1, 2, 3),
    [item(2, 'a', 10), PREPARED],
    [item(2, 'b', 20), LOST],
    [item(2, 'b', 30), COMMITTED],
    [item(3, 'a', 40), UNKNOWN],
  )
  assert.deepEqual([found?.checkpoint, found?.sink, found?.rows, found?.isProven], [2, 'b', 20, true])
  assert.deepEqual(found?.legal, ['mark-committed', 'accept-loss'])
  assert.match(found?.noRewind ?? '', /later checkpoint/)
})

test('the newest checkpoint can be taken back while nothing of it is visible and one before it is kept', () => {
  const found = caseOf(lineageOf(1, 2), [item(2, 'a', 10), UNKNOWN], [item(2, 'b', 20), PREPARED])
  assert.deepEqual([found?.isProven, found?.noRewind], [false, undefined])
  assert.deepEqual(found?.legal, ['rewind', 'mark-committed', 'accept-loss'])
  const visible = caseOf(lineageOf(1, 2), [item(2, 'a', 10), LOST], [item(2, 'b', 20), COMMITTED])
  assert.match(visible?.noRewind ?? '', /20 rows of it are visible in b/)
  assert.ok(visible?.legal.includes('rewind') === false)
  const only = caseOf(lineageOf(2), [item(2, 'a', 10), LOST])
  assert.match(only?.noRewind ?? '', /no place before it/)
  assert.ok(only?.legal.includes('rewind') === false)
})

test('what is lost and kept is loaded again without being asked for: it is decided only when nothing else is in doubt', () => {
  const kept = { ...LOST, isKept: true }
  const both = caseOf(lineageOf(1, 2), [item(1, 'a', 10), kept], [item(2, 'b', 20), UNKNOWN])
  assert.deepEqual([both?.checkpoint, both?.sink, both?.rows], [2, 'b', 20])
  const alone = caseOf(lineageOf(1, 2), [item(1, 'a', 10), kept], [item(2, 'b', 20), PREPARED])
  assert.deepEqual([alone?.checkpoint, alone?.sink, alone?.rows], [1, 'a', 10])
})
