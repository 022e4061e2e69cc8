import assert from 'node:assert/strict'
import { test } from 'node:test'
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
