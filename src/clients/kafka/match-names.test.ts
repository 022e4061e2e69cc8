import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchNames } from './match-names.ts'

test('names are matched as the regular expression says', () => {
  assert.deepEqual(matchNames('^clicks_.*$', ['clicks_eu', 'orders', 'clicks_us', 'more-clicks_']), [
    'clicks_eu',
    'clicks_us',
  ])
  assert.deepEqual(matchNames('', ['a']), ['a'])
})

test('patterns that never end on some names are given up', () => {
  const long = `${'a'.repeat(100)}_`
  for (const pattern of ['^(a+)+$', '^(a|aa)+$', '^(.*a){25}$']) {
    assert.throws(() => matchNames(pattern, [long]), { code: 'CONFIG', message: /more than 500 ms/ }, pattern)
  }
})

test('a pattern that is none is refused', () => {
  assert.throws(() => matchNames('(', ['a']), { code: 'CONFIG' })
})
