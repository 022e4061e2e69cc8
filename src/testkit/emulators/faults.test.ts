import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FaultRule } from './faults.ts'
import { send } from './raw-http.ts'
import { callsOf, startShop as startDorisShop } from './doris/doris-client.ts'
import { callerOf, startShop, stateOf } from './starrocks/starrocks-client.ts'

const ROW = '1\ta\t1\n'

test('drop-request does nothing; drop-reply does the work', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  emulator.addFault({ match: { operation: 'begin', server: 'backend' }, action: 'drop-request' })
  await assert.rejects(call('begin', 'L1'))
  assert.deepEqual(emulator.transactions(), [])
  await call('begin', 'L1')
  await call('load', 'L1', { body: ROW })
  await call('prepare', 'L1')
  emulator.addFault({ match: { operation: 'commit', label: 'L1' }, action: 'drop-reply' })
  await assert.rejects(call('commit', 'L1'))
  assert.equal(await stateOf(emulator, 'L1'), 'VISIBLE')
  assert.match(String((await call('commit', 'L1')).json['Message']), /already committed/)
})

test('rules act from the n-th match on, so many times, and can be taken away', async () => {
  await using emulator = await startShop()
  const status = async (): Promise<number> =>
    (await send(`${emulator.urls[0]}/api/shop/get_load_state?label=L`, { method: 'GET' })).status
  const rule: FaultRule = { match: { operation: 'state', nth: 2, times: 2 }, action: 'status', status: 503, body: '{}' }
  emulator.addFault(rule)
  assert.deepEqual([await status(), await status(), await status(), await status()], [200, 503, 503, 200])
  const id = emulator.addFault({ match: { operation: 'state', times: 0 }, action: 'status', status: 500 })
  assert.deepEqual([await status(), await status()], [500, 500])
  emulator.removeFault(id)
  assert.equal(await status(), 200)
})

test('reset-mid-body of StarRocks leaves the bytes in the transaction and releases its lock', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  const rule: FaultRule = { match: { operation: 'load', server: 'backend' }, action: 'reset-mid-body', bytes: 9 }
  emulator.addFault(rule)
  await assert.rejects(call('load', 'L1', { body: '1\ta\t1\n2\tb\t2\n' }))
  assert.equal(await stateOf(emulator, 'L1'), 'PREPARE')
  // `2\tb` had arrived: the next load's first row is glued to it.
  await call('load', 'L1', { body: '\t3\n4\td\t4\n' })
  const prepared = await call('prepare', 'L1')
  assert.equal(prepared.json['NumberLoadedRows'], 3)
  await call('commit', 'L1')
  assert.deepEqual(emulator.rows('shop', 'events')[1], { id: 2n, name: 'b', amount: '3.00' })
})

test('reset-mid-body of Doris rolls the load back', async () => {
  await using emulator = await startDorisShop()
  const { load, state } = callsOf(emulator)
  emulator.addFault({ match: { operation: 'streamLoad', server: 'backend' }, action: 'reset-mid-body', bytes: 3 })
  await assert.rejects(load('L1', '1\ta\t\\N\n2\tb\t\\N\n'))
  assert.equal(await state('L1'), 'ABORTED')
})

test('expire-transaction, evict-label and restart-frontend strike before the work', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  emulator.addFault({ match: { operation: 'load', server: 'backend' }, action: 'expire-transaction' })
  assert.equal((await call('load', 'L1', { body: ROW })).json['Status'], 'TXN_NOT_EXISTS')
  assert.equal(await stateOf(emulator, 'L1'), 'ABORTED')

  await call('begin', 'L2')
  await call('load', 'L2', { body: ROW })
  await call('prepare', 'L2')
  emulator.addFault({ match: { operation: 'commit' }, action: 'evict-label', when: 'after' })
  assert.equal((await call('commit', 'L2')).json['Status'], 'OK')
  assert.match(String((await call('commit', 'L2')).json['Message']), /No transaction found/)
  assert.equal(emulator.rowCount('shop', 'events'), 1)

  await call('begin', 'L3')
  emulator.addFault({ match: { operation: 'prepare', server: 'frontend' }, action: 'restart-frontend' })
  await assert.rejects(call('prepare', 'L3'))
  assert.equal(await stateOf(emulator, 'L3'), 'UNKNOWN')
})

test('a Doris transaction can time out or be forgotten just before its commit', async () => {
  await using emulator = await startDorisShop()
  const { load, twoPhase } = callsOf(emulator)
  const first = (await load('L1', '1\ta\t\\N\n')).json['TxnId']
  emulator.addFault({ match: { operation: 'twoPhaseCommit', label: 'L1' }, action: 'expire-transaction' })
  assert.match(String((await twoPhase('commit', first)).json['msg']), /abort reason: timeout by txn manager/)
  const second = (await load('L2', '1\ta\t\\N\n')).json['TxnId']
  const rule: FaultRule = { match: { operation: 'twoPhaseCommit', server: 'backend' }, action: 'evict-label' }
  emulator.addFault(rule)
  assert.match(String((await twoPhase('commit', second)).json['msg']), /transaction \[\d+\] not found/)
})

test('redirect, garble and delay change only the reply', async () => {
  await using emulator = await startShop()
  const url = `${emulator.urls[0]}/api/shop/get_load_state?label=L`
  const match = { operation: 'state' } as const
  emulator.addFault({ match, action: 'redirect', location: 'http://attacker.example/' })
  const redirected = await send(url, { method: 'GET' })
  assert.deepEqual([redirected.status, redirected.headers.location], [307, 'http://attacker.example/'])
  emulator.addFault({ match, action: 'garble' })
  const garbled = await send(url, { method: 'GET' })
  assert.equal(garbled.status, 200)
  assert.throws(() => JSON.parse(garbled.text))
  emulator.addFault({ match, action: 'delay', ms: 1 })
  assert.equal((await send(url, { method: 'GET' })).json['state'], 'UNKNOWN')
})
