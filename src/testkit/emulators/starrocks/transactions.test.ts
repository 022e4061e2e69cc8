import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../raw-http.ts'
import { callerOf, EVENTS, JSON_ARRAY, startShop, stateOf } from './starrocks-client.ts'

test('begin, load, prepare and commit make exact rows visible', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const begun = await call('begin', 'L1', { headers: { timeout: '600' } })
  assert.deepEqual(Object.keys(begun.json), ['Status', 'Message', 'Label', 'TxnId', 'BeginTxnTimeMs'])
  const body = '[{"id":9007199254740993,"name":"a","amount":12.3},{"id":2,"name":null,"amount":"0.005"}]'
  const loaded = await call('load', 'L1', { headers: JSON_ARRAY, body })
  assert.equal(loaded.json['Status'], 'OK')
  assert.equal(loaded.json['LoadBytes'], body.length)
  assert.equal(await stateOf(emulator, 'L1'), 'PREPARE')
  const prepared = await call('prepare', 'L1')
  assert.deepEqual(Object.keys(prepared.json), [
    ...['Status', 'Message', 'Label', 'TxnId', 'NumberTotalRows', 'NumberLoadedRows', 'NumberFilteredRows'],
    ...['NumberUnselectedRows', 'LoadBytes', 'LoadTimeMs', 'StreamLoadPlanTimeMs', 'ReceivedDataTimeMs'],
    ...['WriteDataTimeMs', 'CommitAndPublishTimeMs'],
  ])
  assert.equal(prepared.json['NumberLoadedRows'], 2)
  assert.equal(await stateOf(emulator, 'L1'), 'PREPARED')
  assert.equal(emulator.rowCount('shop', 'events'), 0)
  const committed = await call('commit', 'L1')
  assert.deepEqual(committed.json, { Status: 'OK', Message: '', TxnId: begun.json['TxnId'], Label: 'L1' })
  assert.deepEqual(committed.hops, [])
  assert.equal(await stateOf(emulator, 'L1'), 'VISIBLE')
  assert.deepEqual(emulator.rows('shop', 'events'), [
    { id: 9007199254740993n, name: 'a', amount: '12.30' },
    { id: 2n, name: null, amount: '0.01' },
  ])
})

test('a repeated commit is OK and says so', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const { json } = await call('begin', 'L1')
  await call('load', 'L1', { body: '1\ta\t1\n' })
  await call('prepare', 'L1')
  await call('commit', 'L1')
  const again = await call('commit', 'L1')
  const TxnId = json['TxnId']
  const Message = `Transaction ${String(TxnId)} has already committed, label is L1`
  assert.deepEqual(again.json, { Status: 'OK', Message, TxnId, Label: 'L1' })
  assert.equal(emulator.rowCount('shop', 'events'), 1)
})

test('begin, load and prepare go to one backend by 307, with path and query kept', async () => {
  await using emulator = await startShop()
  const first = await send(`${emulator.urls[0]}/api/transaction/begin?x=1`, {
    method: 'POST',
    headers: { db: 'shop', table: 'events', label: 'L1' },
  })
  assert.equal(first.status, 307)
  const location = new URL(String(first.headers.location))
  assert.ok(emulator.backends.includes(location.host))
  assert.equal(location.pathname + location.search, '/api/transaction/begin?x=1')
  const call = callerOf(emulator)
  await call('begin', 'L1')
  const { hops } = await call('load', 'L1', { body: '1\ta\t1\n' })
  assert.deepEqual(hops, [location.host])
})

test('different labels are spread over the backends', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const hosts = [await call('begin', 'L1'), await call('begin', 'L2')].flatMap((reply) => reply.hops)
  assert.deepEqual(new Set(hosts), new Set(emulator.backends))
})

test('a follower sends transaction calls to the leader first', async () => {
  await using emulator = await startShop({ followerFrontends: 1 })
  const [leader = '', follower = ''] = emulator.urls
  const reply = await send(`${follower}/api/transaction/begin`, {
    method: 'POST',
    headers: { db: 'shop', table: 'events', label: 'L1' },
  })
  assert.equal(reply.status, 307)
  assert.equal(reply.headers.location, `${leader}/api/transaction/begin`)
  const state = await send(`${follower}/api/shop/get_load_state?label=L1`, { method: 'GET' })
  assert.equal(state.headers.location, `${leader}/api/shop/get_load_state?label=L1`)
})

test('every hop wants credentials of its own', async () => {
  await using emulator = await startShop({ password: 'secret' })
  const headers = { db: 'shop', table: 'events', label: 'L1' }
  const url = `${emulator.urls[0]}/api/transaction/begin`
  const refused = await send(url, { method: 'POST', headers, credentials: 'root:wrong' })
  assert.equal(refused.status, 401)
  assert.equal(refused.headers['www-authenticate'], 'Basic realm=""')
  const { headers: redirected } = await send(url, { method: 'POST', headers, credentials: 'root:secret' })
  const atBackend = await send(String(redirected.location), { method: 'POST', headers, credentials: undefined })
  assert.equal(atBackend.status, 200)
  assert.deepEqual(atBackend.json, { Status: 'INTERNAL_ERROR', Message: 'no valid Basic authorization' })
})

test('rows of unknown tables are kept as text when tables may be created', async () => {
  await using emulator = await startShop({ tables: [EVENTS], createTables: true })
  const call = callerOf(emulator)
  await call('begin', 'L1', { table: 'fresh' })
  const body = '[{"id":12345678901234567890},{"id":2,"tag":"x"}]'
  await call('load', 'L1', { table: 'fresh', headers: JSON_ARRAY, body })
  await call('prepare', 'L1')
  await call('commit', 'L1')
  assert.deepEqual(emulator.rows('shop', 'fresh'), [{ id: '12345678901234567890' }, { id: '2', tag: 'x' }])
})
