import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../clock.ts'
import { send } from '../raw-http.ts'
import { callerOf, startShop, stateOf, type StarRocksCall } from './starrocks-client.ts'

const ROW = '1\ta\t1\n'

async function prepared(call: StarRocksCall, label: string, headers: Record<string, string> = {}): Promise<void> {
  await call('begin', label)
  await call('load', label, { body: ROW })
  assert.equal((await call('prepare', label, { headers })).json['Status'], 'OK')
}

test('PREPARE ends at the timeout given to begin', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock })
  const call = callerOf(emulator)
  await call('begin', 'L1', { headers: { timeout: '10' } })
  clock.advance(9_999)
  assert.equal(await stateOf(emulator, 'L1'), 'PREPARE')
  clock.advance(1)
  assert.equal(await stateOf(emulator, 'L1'), 'ABORTED')
})

test('an idle transaction is aborted by the scan of its backend', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock })
  const call = callerOf(emulator)
  await call('begin', 'L1', { headers: { idle_transaction_timeout: '5' } })
  clock.advance(29_000)
  assert.equal(await stateOf(emulator, 'L1'), 'PREPARE')
  clock.advance(1_000)
  assert.equal(emulator.transactions()[0]?.reason, 'transaction is aborted by idle timeout 5 seconds.')
  assert.equal((await call('load', 'L1', { body: ROW })).json['Status'], 'TXN_NOT_EXISTS')
})

test('PREPARED lives for a day, or as long as prepared_timeout says', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock })
  const call = callerOf(emulator)
  await prepared(call, 'L1')
  await prepared(call, 'L2', { prepared_timeout: '60' })
  clock.advance(60_000)
  assert.deepEqual([await stateOf(emulator, 'L1'), await stateOf(emulator, 'L2')], ['PREPARED', 'ABORTED'])
  clock.advance(86_340_000)
  assert.equal(await stateOf(emulator, 'L1'), 'ABORTED')
})

test('labels are evicted by age and by count, unfinished ones counted but kept', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock, settings: { labelKeepMaxNum: 2 } })
  const call = callerOf(emulator)
  for (const label of ['L1', 'L2']) {
    await prepared(call, label)
    await call('commit', label)
  }
  await prepared(call, 'L3')
  const states = await Promise.all(['L1', 'L2', 'L3'].map((label) => stateOf(emulator, label)))
  assert.deepEqual(states, ['UNKNOWN', 'VISIBLE', 'PREPARED'])
  const commit = await call('commit', 'L1')
  assert.match(String(commit.json['Message']), /No transaction found by label L1$/)
  await call('commit', 'L3')
  clock.advance(259_200_001)
  assert.equal(await stateOf(emulator, 'L3'), 'UNKNOWN')
  const late = await call('commit', 'L3')
  assert.match(String(late.json['Message']), /No transaction found with db\[shop\] and label\[L3\]$/)
  assert.equal(emulator.rowCount('shop', 'events'), 3)
})

test('a frontend restart forgets PREPARE and keeps PREPARED', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await prepared(call, 'L1')
  const begun = await call('begin', 'L2')
  await call('load', 'L2', { body: ROW })
  emulator.restartFrontend()
  assert.deepEqual([await stateOf(emulator, 'L1'), await stateOf(emulator, 'L2')], ['PREPARED', 'UNKNOWN'])
  const viaFrontend = await call('prepare', 'L2')
  assert.match(String(viaFrontend.json['Message']), /Can't find the transaction with db \[shop\] and label\[L2\]\./)
  const url = `http://${begun.hops[0]}/api/transaction/prepare`
  const atBackend = await send(url, { method: 'POST', headers: { db: 'shop', label: 'L2' } })
  assert.equal(atBackend.json['Message'], 'transaction not found')
  assert.equal((await call('commit', 'L1')).json['Status'], 'OK')
})

test('a switch of the leader moves the redirects and loses PREPARE', async () => {
  await using emulator = await startShop({ followerFrontends: 1 })
  const [first, second] = emulator.urls
  const call = callerOf(emulator)
  await prepared(call, 'L1')
  emulator.switchLeader()
  assert.deepEqual(emulator.urls, [second, first])
  assert.equal((await callerOf(emulator)('commit', 'L1')).json['Status'], 'OK')
})

test('a backend restart loses the context; the frontend says PREPARE until _cancel or timeout', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  const { coordinator } = emulator.transactions()[0] ?? { coordinator: 0 }
  await emulator.restartBackend(coordinator)
  for (const operation of ['load', 'prepare', 'commit', 'rollback']) {
    assert.equal((await call(operation, 'L1', { body: ROW })).json['Status'], 'TXN_NOT_EXISTS')
  }
  assert.equal(await stateOf(emulator, 'L1'), 'PREPARE')
})

test('a killed backend is redirected to until the heartbeat has noticed', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock })
  const call = callerOf(emulator)
  await emulator.killBackend(0)
  let round = 0
  const hosts = async (): Promise<string[]> => {
    round += 1
    const labels = ['a', 'b', 'c', 'd'].map((label) => `${label}${round}`)
    return (
      await Promise.all(
        labels.map((label) =>
          call('begin', label).then(
            (reply) => reply.hops,
            () => [],
          ),
        ),
      )
    ).flat()
  }
  assert.equal((await hosts()).length, 2)
  clock.advance(5_000)
  assert.equal((await hosts()).length, 4)
  await emulator.restartBackend(0)
  assert.equal(new Set(await hosts()).size, 2)
})

test('the newest frontends remember outcomes after label clean-up, in words without an id', async () => {
  await using emulator = await startShop({ settings: { labelKeepMaxNum: 0, terminalLabelCacheNum: 10 } })
  const call = callerOf(emulator)
  await prepared(call, 'L1')
  await call('commit', 'L1')
  await prepared(call, 'L2')
  await call('rollback', 'L2')
  assert.deepEqual([await stateOf(emulator, 'L1'), await stateOf(emulator, 'L2')], ['UNKNOWN', 'UNKNOWN'])
  assert.equal((await call('commit', 'L1')).json['Message'], 'Transaction has already committed, label is L1')
  const aborted = await call('commit', 'L2')
  assert.equal(aborted.json['Status'], 'FAILED')
  assert.match(String(aborted.json['Message']), /Can not commit ABORTED transaction, label is L2$/)
})
