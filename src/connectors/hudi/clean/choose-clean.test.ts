import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseClean, type CleanFacts } from './choose-clean.ts'

const COMMITS = Array.from({ length: 10 }, (_, at) => String(20261121000000000n + BigInt(at * 10)))

function facts(change: Partial<CleanFacts>): CleanFacts {
  const merge = { instant: '20261121000000005', paths: ['old'] }
  return { replaced: [merge], commits: COMMITS, savepoints: [], retainedCommits: 4, ...change }
}

test('replaced files go when enough commits came after their merge', () => {
  const chosen = chooseClean(facts({}))
  assert.deepEqual(
    chosen?.replaced.map(({ paths }) => paths),
    [['old']],
  )
  assert.equal(chosen?.earliest, COMMITS[6])
})

test('files that a query within the retention may still read stay', () => {
  assert.equal(chooseClean(facts({ retainedCommits: 9 })), undefined)
  assert.equal(chooseClean(facts({ retainedCommits: 100 })), undefined)
  const late = { instant: '20261121000000065', paths: ['young'] }
  const chosen = chooseClean(facts({ replaced: [...facts({}).replaced, late] }))
  assert.deepEqual(
    chosen?.replaced.map(({ paths }) => paths),
    [['old']],
  )
})

test('a savepoint keeps what it shows, and only that', () => {
  assert.equal(chooseClean(facts({ savepoints: [COMMITS[0] ?? ''] })), undefined)
  assert.notEqual(chooseClean(facts({ savepoints: [COMMITS[1] ?? ''] })), undefined)
})

test('a clean waits until there is some more than the retention', () => {
  assert.equal(chooseClean(facts({ commits: COMMITS.slice(0, 5) })), undefined)
  assert.notEqual(chooseClean(facts({ commits: COMMITS.slice(0, 6) })), undefined)
})
