import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wordsOf } from './checkpoints.ts'

test('a checkpoint is asked for with or without the word show, in any order', () => {
  const one = { file: 'p.yaml', number: '42' }
  for (const words of ['p.yaml 42', 'show p.yaml 42', 'show 42 p.yaml', 'p.yaml show 42', '42 p.yaml'])
    assert.deepEqual(wordsOf(words.split(' ')), one, words)
  assert.deepEqual(wordsOf(['p.yaml', undefined]), { file: 'p.yaml', number: undefined })
  assert.deepEqual(wordsOf(['show', 'p.yaml']), { file: 'p.yaml', number: undefined })
  assert.deepEqual(
    wordsOf(['2026', '42']),
    { file: '2026', number: '42' },
    'a state directory may be called by a number',
  )
  assert.throws(() => wordsOf(['show']), /pipeline file is missing/)
})
