import assert from 'node:assert/strict'
import type { lookup } from 'node:dns'
import { test } from 'node:test'
import { guardAddresses } from './address-guard.ts'

/** Resolves every name to these addresses. */
function resolverOf(...addresses: string[]): typeof lookup {
  const resolve = (_host: string, _options: object, done: (error: null, found: object[]) => void): void =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  return resolve as unknown as typeof lookup
}

function lookUp(addresses: string[], all: boolean): Promise<unknown> {
  const guard = guardAddresses(resolverOf(...addresses), (host) => `the store ${host}`, 'a store')
  return new Promise((resolve, reject) => {
    guard.lookup('db.example', { all }, (error, found) => (error === null ? resolve(found) : reject(error)))
  })
}

test('a name that resolves to an address of metadata services is refused, wherever that stands in the answer', async () => {
  const refused = {
    code: 'REDIRECT_DENIED',
    message: /connecting to the store db\.example: .*, which is never a store/,
  }
  await assert.rejects(lookUp(['169.254.169.254'], false), refused)
  await assert.rejects(lookUp(['10.0.0.1', 'fe80::1'], true), refused)
  await assert.rejects(lookUp(['100.100.100.200'], true), refused)
  await assert.rejects(lookUp([], true), /has no address/)
})

test('other names give what sockets ask for', async () => {
  assert.equal(await lookUp(['10.0.0.1', '10.0.0.2'], false), '10.0.0.1')
  assert.deepEqual(await lookUp(['10.0.0.1'], true), [{ address: '10.0.0.1', family: 4 }])
})

test('names below localhost are loopback, and no resolver is asked for them', async () => {
  const asked: string[] = []
  const resolve = (host: string, _options: object, done: (error: null, found: object[]) => void): void => {
    asked.push(host)
    done(null, [{ address: '127.0.0.1', family: 4 }])
  }
  const guard = guardAddresses(resolve as unknown as typeof lookup, (host) => host, 'a store')
  for (const host of ['lake.localhost', 'a.b.LOCALHOST.', 'localhost.example', 'mylocalhost']) {
    guard.lookup(host, {}, (error) => assert.equal(error, null))
  }
  assert.deepEqual(asked, ['localhost', 'localhost', 'localhost.example', 'mylocalhost'])
})

test('an address in plain digits is refused before anything is looked up; names are left to the lookup', () => {
  const guard = guardAddresses(resolverOf(), (host) => host, 'a store')
  const spellings = ['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'fd00:ec2::254']
  for (const host of spellings) assert.throws(() => guard.assertAllowed(host), { code: 'REDIRECT_DENIED' }, host)
  for (const host of ['127.0.0.1', '::1', '10.0.0.1', '2001:db8::1', 'metadata.internal']) guard.assertAllowed(host)
})
