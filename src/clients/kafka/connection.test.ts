import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaClient } from './client.ts'
import { assertPasswordIsSafe } from './connection.ts'

test('a client refuses to connect to a metadata address', async () => {
  await using client = new KafkaClient({ brokers: ['169.254.169.254:80'] })
  await assert.rejects(client.topics(null), { code: 'REDIRECT_DENIED' })
})

test('SASL PLAIN needs TLS, loopback or permission; SCRAM does not show the password', () => {
  const plain = { allowPlaintext: false }
  assert.throws(() => assertPasswordIsSafe('PLAIN', '10.1.2.3', plain), { code: 'CONFIG', message: /allowPlaintext/ })
  assert.throws(() => assertPasswordIsSafe('PLAIN', '', plain), { code: 'CONFIG' })
  assertPasswordIsSafe('PLAIN', '127.0.0.1', plain)
  assertPasswordIsSafe('PLAIN', '10.1.2.3', { ...plain, tls: {} })
  assertPasswordIsSafe('PLAIN', '10.1.2.3', { allowPlaintext: true })
  assertPasswordIsSafe('SCRAM-SHA-256', '10.1.2.3', plain)
})

test('brokers are written as host:port', () => {
  for (const brokers of [[], ['kafka'], ['kafka:0'], ['kafka:99999'], ['http://kafka:9092']]) {
    assert.throws(() => new KafkaClient({ brokers }), { code: 'CONFIG' })
  }
  for (const broker of ['kafka:9092', '[::1]:9092', '10.0.0.1:9092']) new KafkaClient({ brokers: [broker] })
})
