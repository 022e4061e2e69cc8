import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { Secret } from '../../core/secret.ts'
import { connectionOptions } from './connection-options.ts'

const options = z.strictObject(connectionOptions)

function problemsOf(input: object): string[] {
  const parsed = options.safeParse({ brokers: ['localhost:9092'], ...input })
  return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join('.'))
}

test('logins and certificates have all their parts', () => {
  const password = 'p'
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']) {
    assert.deepEqual(problemsOf({ sasl: { mechanism, username: 'alice', password } }), [])
    assert.deepEqual(problemsOf({ sasl: { mechanism, password } }), ['sasl.username'])
  }
  assert.deepEqual(problemsOf({ sasl: { mechanism: 'OAUTHBEARER', password } }), [])
  assert.deepEqual(problemsOf({ sasl: { mechanism: 'OAUTHBEARER', username: 'alice', password } }), ['sasl.username'])
  assert.deepEqual(problemsOf({ tls: { cert: 'PEM', key: 'PEM' } }), [])
  assert.deepEqual(problemsOf({ tls: { cert: 'PEM' } }), ['tls.key'])
})

test('the key of a certificate and a token are secrets', () => {
  const { sasl, tls } = options.parse({
    brokers: ['localhost:9092'],
    sasl: { mechanism: 'OAUTHBEARER', password: 'token' },
    tls: { cert: 'PEM', key: 'PEM' },
  })
  assert.ok(sasl?.password instanceof Secret && tls?.key instanceof Secret)
})
