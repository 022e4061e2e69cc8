import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaClient } from './client.ts'
import { assertPasswordIsSafe } from './connection.ts'
import { assertAllowedHost, guardedLookup, isLoopbackAddress, isRefusedAddress } from './addresses.ts'

test('link-local and metadata addresses are refused in every spelling', () => {
  const refused = [
    '169.254.169.254',
    '169.254.0.1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
  ]
  for (const address of refused) {
    assert.ok(isRefusedAddress(address), address)
    assert.throws(() => assertAllowedHost(address), { code: 'REDIRECT_DENIED' })
  }
})

test('other addresses and names are allowed', () => {
  for (const host of ['10.0.0.1', '192.168.1.1', '127.0.0.1', '::1', '2001:db8::1', 'kafka-1.example.com'])
    assertAllowedHost(host)
})

test('loopback is told from the rest', () => {
  assert.deepEqual(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'].map(isLoopbackAddress), [
    true,
    true,
    true,
    true,
  ])
  assert.deepEqual(['10.0.0.1', '', 'localhost'].map(isLoopbackAddress), [false, false, false])
})

test('a name that resolves to a refused address is not connected to', async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  // A numeric host resolves to itself, so this needs no name server.
  guardedLookup('169.254.169.254', { all: true }, (error) => resolve(error))
  const error = await promise
  assert.ok(error instanceof Error && 'code' in error && error.code === 'REDIRECT_DENIED')
})

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
