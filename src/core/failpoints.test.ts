import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAILPOINTS, failpoint, parseFailpoints } from './failpoints.ts'

test('a list of failpoints is parsed, with the hit that acts', () => {
  assert.deepEqual(parseFailpoints('store.manifest.publish:after@2=kill, commit:sent=error'), [
    { name: 'store.manifest.publish', position: 'after', nth: 2, action: 'kill' },
    { name: 'commit', position: 'sent', nth: 1, action: 'error' },
  ])
  assert.deepEqual(parseFailpoints('chk.ack:before=error/ACCOUNTING'), [
    { name: 'chk.ack', position: 'before', nth: 1, action: 'error', code: 'ACCOUNTING' },
  ])
  assert.deepEqual(parseFailpoints(''), [])
})

test('a name that is not in the registry, or a word that is not known, is refused', () => {
  for (const text of [
    'no.such:before=kill',
    'commit:during=kill',
    'commit:before=explode',
    'commit',
    'commit:before@x=kill',
    'commit:before=error/NO_SUCH',
    'commit:before=kill/AUTH',
  ]) {
    assert.throws(() => parseFailpoints(text), /MILLRACE_FAILPOINTS/, text)
  }
})

test('every registered failpoint can be armed, once', () => {
  const text = FAILPOINTS.map((name) => `${name}:before=mark`).join(',')
  assert.equal(parseFailpoints(text).length, FAILPOINTS.length)
  assert.equal(new Set(FAILPOINTS).size, FAILPOINTS.length)
})

test('nothing happens at a failpoint that nobody armed', () => {
  for (const name of FAILPOINTS) failpoint(name, 'before')
})
