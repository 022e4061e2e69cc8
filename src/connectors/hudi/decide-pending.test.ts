import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decidePending, PENDING_RULES, type PendingFacts } from './decide-pending.ts'
import { decideStray } from './decide-stray.ts'

const ALL: readonly PendingFacts[] = (['completed', 'pending', 'absent'] as const).flatMap((timeline) =>
  (['ours', 'other', 'unknown'] as const).flatMap((owner) =>
    (['same', 'different'] as const).flatMap((stats) =>
      (['present', 'missing'] as const).flatMap((files) =>
        [true, false].flatMap((rolledBack) =>
          [true, false].flatMap((archivable) =>
            [true, false].flatMap((archived) =>
              (['as chosen', 'rewritten'] as const).map((inputs) => ({
                ...{ timeline, owner, stats, files, rolledBack, archivable, archived, inputs },
              })),
            ),
          ),
        ),
      ),
    ),
  ),
)

for (const rule of PENDING_RULES) {
  test(rule.name, () => {
    const decided = ALL.filter((facts) => firstRule(facts) === rule.name)
    assert.ok(decided.length > 0, 'an earlier rule hides this one')
    for (const facts of decided) assert.deepEqual(decidePending(facts), rule.decision)
  })
}

test('every combination of facts has a rule', () => {
  assert.equal(ALL.length, 3 * 3 * 2 * 2 * 2 * 2 * 2 * 2)
  for (const facts of ALL) assert.notEqual(firstRule(facts), undefined)
})

test('a commit is tried only for what is ours, complete, pending and not rolled back', () => {
  for (const facts of ALL) {
    const whole = facts.files === 'present' && facts.inputs === 'as chosen'
    const safe = facts.timeline === 'pending' && facts.owner === 'ours' && whole && !facts.rolledBack
    assert.equal(decidePending(facts).act === 'commit', safe, JSON.stringify(facts))
  }
})

test('done is said only of a commit of ours with these files, or on the word of an archive', () => {
  for (const facts of ALL) {
    const ours = facts.timeline === 'completed' && facts.owner === 'ours' && facts.stats === 'same'
    const archived = facts.timeline === 'absent' && !facts.rolledBack && facts.archivable && facts.archived
    assert.equal(decidePending(facts).act === 'done', ours || archived, JSON.stringify(facts))
  }
})

test('a completed instant is never called lost: its rows are visible', () => {
  for (const facts of ALL.filter(({ timeline }) => timeline === 'completed')) {
    assert.notEqual(decidePending(facts).act, 'lost')
  }
})

test('a pending instant that no checkpoint wants is rolled back only when it is ours and from an older run', () => {
  const scope = { sink: { job: 'j', sink: 's' }, below: 5 }
  const owner = { job: 'j', sink: 's', epoch: 4, checkpoint: 9 }
  assert.equal(decideStray({ owner, wanted: false }, scope).act, 'rollback')
  assert.equal(decideStray({ owner, wanted: true }, scope).act, 'keep')
  assert.equal(decideStray({ owner: { ...owner, epoch: 5 }, wanted: false }, scope).act, 'keep')
  assert.equal(decideStray({ owner: { ...owner, job: 'other' }, wanted: false }, scope).act, 'refuse')
  assert.equal(decideStray({ owner: { ...owner, sink: 'other' }, wanted: false }, scope).act, 'refuse')
  assert.equal(decideStray({ owner: undefined, wanted: false }, scope).act, 'refuse')
})

function firstRule(facts: PendingFacts): string | undefined {
  return PENDING_RULES.find(({ when }) =>
    Object.entries(when).every(([key, value]) => facts[key as keyof PendingFacts] === value),
  )?.name
}
