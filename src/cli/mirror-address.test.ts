import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAddress, sourceAddress, targetAddress } from './mirror-address.ts'

test('an address says what is there; its password comes from the environment', () => {
  const source = sourceAddress('mysql://re%40der@db:3307/shop', { MYSQL_PASSWORD: 'p' })
  assert.deepEqual(
    [
      source.connector,
      source.host,
      source.port,
      source.user,
      source.database,
      source.password.reveal(),
      source.isPlain,
    ],
    ['mysql-cdc', 'db', 3307, 're@der', 'shop', 'p', false],
  )
  const target = targetAddress('doris://[::1]', {})
  assert.deepEqual(
    [target.connector, target.host, target.port, target.user, target.database, target.isPlain],
    ['doris', '::1', 8030, 'root', undefined, true],
  )
  assert.deepEqual([isAddress('kafka'), isAddress('mysql://db'), isAddress(undefined)], [false, true, false])
})

test('a password in an address is refused, and so is what is no address of a side', () => {
  for (const address of ['mysql://me:secret@db/shop', 'starrocks://fe', 'nonsense', 'mysql://'])
    assert.throws(() => sourceAddress(address, {}), { code: 'CONFIG' }, address)
  assert.throws(
    () => sourceAddress('mysql://me:secret@db/shop', {}),
    (error: Error) => !error.message.includes('secret'),
  )
  assert.throws(() => targetAddress('kafka://db', {}), { code: 'CONFIG' })
})
