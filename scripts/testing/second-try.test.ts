import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { withSecondTries, worthSecondTry } from './second-try.ts'
import { repository } from './stage.ts'
import { totalsOf, type FileResult } from './suite.ts'

function resultOf(file: string, ok: boolean): FileResult {
  const totals = { tests: 2, suites: 0, pass: ok ? 2 : 1, fail: ok ? 0 : 1, cancelled: 0, skipped: 0, todo: 0 }
  return { file: path.join(repository, file), ok, totals, story: `${file} ${ok ? 'good' : 'bad'}` }
}

test('a file that failed is run again, one that passed is not', () => {
  const results = [resultOf('src/one.test.ts', true), resultOf('src/two.test.ts', false)]
  assert.deepEqual(worthSecondTry(results), [path.join(repository, 'src/two.test.ts')])
})

test('what a kill test found, and many failures together, stand as they are', () => {
  for (const file of ['test/e2e/kills.sql.test.ts', 'test/e2e/twins.test.ts', 'test/simulation/simulation.test.ts'])
    assert.deepEqual(worthSecondTry([resultOf('src/one.test.ts', false), resultOf(file, false)]), [])
  const many = ['a', 'b', 'c', 'd'].map((name) => resultOf(`src/${name}.test.ts`, false))
  assert.deepEqual(worthSecondTry(many), [])
})

test('a second result replaces the first, and the first story of what passed then is kept', () => {
  const first = [resultOf('a', false), resultOf('b', false), resultOf('c', true)]
  const { results, unsteady } = withSecondTries(first, [resultOf('a', true), resultOf('b', false)])
  assert.deepEqual(
    unsteady.map(({ story }) => story),
    ['a bad'],
  )
  const { tests, pass, fail } = totalsOf(results)
  assert.deepEqual({ tests, pass, fail }, { tests: 6, pass: 5, fail: 1 })
})
