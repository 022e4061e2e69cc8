import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Secret } from './secret.ts'

test('a secret prints as stars in every way of printing and keeps its value', () => {
  const secret = new Secret('canary-4711')
  const printed = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ a: { b: { secret } } }, { depth: 9, showHidden: true }),
    Object.keys(secret).join(),
    JSON.stringify(Object.entries(secret)),
  ]
  for (const text of printed) assert.ok(!text.includes('canary'), text)
  assert.equal(secret.reveal(), 'canary-4711')
})
