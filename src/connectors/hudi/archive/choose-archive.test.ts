import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TimelineInstant } from '../timeline.ts'
import { type ArchiveFacts, chooseArchive, isArchiveDue } from './choose-archive.ts'

function instant(
  at: number,
  action: string = 'commit',
  state: TimelineInstant['state'] = 'completed',
): TimelineInstant {
  return { time: String(20261121000000000n + BigInt(at)), action, state, files: [state] }
}

function times(change: Partial<ArchiveFacts>): number[] {
  const instants = Array.from({ length: 20 }, (_, at) => instant(at))
  const facts = { instants, timelineCommits: 10, uncleaned: new Set<string>(), orphans: [], ...change }
  return chooseArchive(facts).map(({ time }) => Number(BigInt(time) - 20261121000000000n))
}

function timeline(...special: TimelineInstant[]): TimelineInstant[] {
  const others = Array.from({ length: 20 }, (_, at) => instant(at * 10))
  return [...others, ...special].sort((a, b) => (a.time < b.time ? -1 : 1))
}

test('the newest commits stay, the others go, and their cleans and rollbacks with them', () => {
  assert.deepEqual(times({}), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  const instants = timeline(instant(5, 'clean'), instant(15, 'rollback'), instant(185, 'clean'))
  assert.deepEqual(times({ instants, timelineCommits: 18 }), [0, 5, 10, 15])
})

test('what is not finished, a savepoint and what we do not know stop it', () => {
  for (const stop of [instant(15, 'commit', 'inflight'), instant(15, 'savepoint'), instant(15, 'restore')]) {
    assert.deepEqual(times({ instants: timeline(stop) }), [0, 10])
  }
})

test('a merge stays as long as the files are there that it hides', () => {
  const merge = instant(15, 'replacecommit')
  const instants = timeline(merge)
  assert.deepEqual(times({ instants, timelineCommits: 18 }), [0, 10, 15])
  assert.deepEqual(times({ instants, timelineCommits: 18, uncleaned: new Set([merge.time]) }), [0, 10])
})

test('the timeline keeps a commit in front of every file that no commit owns', () => {
  assert.deepEqual(times({ instants: timeline(), orphans: [instant(35).time, instant(55).time] }), [0, 10, 20])
  assert.deepEqual(times({ instants: timeline(), orphans: [instant(5).time] }), [])
})

test('archiving waits until it is worth a file', () => {
  assert.equal(isArchiveDue(1100, 1000), false)
  assert.equal(isArchiveDue(1201, 1000), true)
})
