import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommitOutcome, CommitPermit, Evidence, PendingCommittable } from '../core/checkpoint-types.ts'
import { MillraceError } from '../core/errors.ts'
import type { SinkCoordinator } from '../core/sink.ts'
import { realClock, silentLog } from '../testkit/lane-context.ts'
import { Committer, CommitTrouble } from './committer.ts'

type Answer = CommitOutcome['outcome'] | 'throws' | 'halts'
type Word = Evidence['state'] | 'throws'

interface World {
  readonly committer: Committer
  readonly calls: string[]
  readonly end: AbortController
}

/** A sink that answers as told, by name; what is not told is committed. */
function openWorld(commits: Record<string, Answer[]>, evidence: Record<string, Word[]> = {}): World {
  const calls: string[] = []
  const end = new AbortController()
  const sink: Partial<SinkCoordinator> = {
    commit: async (_permit, committable) => {
      const name = String(committable['name'])
      calls.push(name)
      const answer = commits[name]?.shift() ?? 'committed'
      if (answer === 'throws') throw new MillraceError('no way to the server', { code: 'UNAVAILABLE', retry: 'retry' })
      if (answer === 'halts') throw new MillraceError('wrong password', { code: 'AUTH' })
      return { outcome: answer, reason: answer, expired: false }
    },
    evidence: async ([committable]) => {
      const name = String(committable?.['name'])
      calls.push(`${name}?`)
      const state = evidence[name]?.shift() ?? 'committed'
      if (state === 'throws') throw new MillraceError('no way to the server', { code: 'UNAVAILABLE', retry: 'retry' })
      return [{ state, reason: state, expired: true }]
    },
  }
  const committer = new Committer({
    sinks: new Map([['s', sink as SinkCoordinator]]),
    clock: { ...realClock, now: () => 0, sleep: async () => undefined },
    log: silentLog,
    random: () => 0,
    signal: end.signal,
  })
  return { committer, calls, end }
}

function item(name: string, checkpoint = 1, orderKey = name): PendingCommittable {
  return { sink: 's', checkpoint, epoch: 1, orderKey, rows: 1, committable: { name } }
}

const PERMIT = { checkpoint: 9, epoch: 1 } as CommitPermit

test('a commit is repeated until it is known to be done', async () => {
  const { committer, calls } = openWorld({ x: ['retry', 'throws', 'already-committed'] })
  await committer.commitAll(PERMIT, [item('x')])
  assert.deepEqual(calls, ['x', 'x', 'x'])
})

test('an unclear answer is settled by evidence, also when the evidence is hard to get', async () => {
  const { committer, calls } = openWorld(
    { x: ['unknown', 'unknown', 'lost'] },
    { x: ['throws', 'committable', 'committed'] },
  )
  await committer.commitAll(PERMIT, [item('x')])
  assert.deepEqual(calls, ['x', 'x?', 'x', 'x?', 'x', 'x?'])
})

test('what the sink calls lost, and says so again, is trouble; what it cannot tell is trouble of another kind', async () => {
  const lost = openWorld({ x: ['lost'] }, { x: ['lost'] })
  await assert.rejects(
    lost.committer.commitAll(PERMIT, [item('x')]),
    (error) => error instanceof CommitTrouble && error.decision.code === 'PREPARED_EXPIRED',
  )
  const unknown = openWorld({ x: ['unknown'] }, { x: ['unknown'] })
  await assert.rejects(
    unknown.committer.commitAll(PERMIT, [item('x')]),
    (error) => error instanceof CommitTrouble && error.decision.code === 'OUTCOME_UNKNOWN',
  )
})

test('after a lost one nothing follows: not of its key, and no later checkpoint', async () => {
  const { committer, calls } = openWorld({ a1: ['lost'] }, { a1: ['lost'] })
  const items = [item('a1', 1, 'a'), item('a2', 1, 'a'), item('b', 1), item('c', 2)]
  await assert.rejects(committer.commitAll(PERMIT, items), CommitTrouble)
  assert.deepEqual(calls.toSorted(), ['a1', 'a1?', 'b'])
})

test('commits of one key run in order, checkpoint after checkpoint', async () => {
  const { committer, calls } = openWorld({ a1: ['retry'], b1: ['throws', 'retry'] })
  await committer.commitAll(PERMIT, [item('a1', 1, 'a'), item('a2', 2, 'a'), item('b1', 1, 'b'), item('a3', 3, 'a')])
  const last = (name: string): number => calls.lastIndexOf(name)
  assert.ok(Math.max(last('a1'), last('b1')) < calls.indexOf('a2') && last('a2') < calls.indexOf('a3'))
})

test('what is known to be committed is not committed again after a failure', async () => {
  const { committer, calls } = openWorld({ y: ['halts'] })
  const items = [item('x'), item('y')]
  await assert.rejects(committer.commitAll(PERMIT, items), { code: 'AUTH' })
  await committer.commitAll(PERMIT, items)
  assert.deepEqual(calls, ['x', 'y', 'y'])
  assert.ok(items.every((one) => committer.committed.has(one)))
})

test('a run that ends leaves the rest to the next start', async () => {
  const { committer, end } = openWorld({})
  end.abort()
  await assert.rejects(committer.commitAll(PERMIT, [item('x')]), { code: 'INTERRUPTED' })
})
