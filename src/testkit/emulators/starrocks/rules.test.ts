import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { ManualClock } from '../clock.ts'
import { send, sendFollowing, type RawReply } from '../raw-http.ts'
import { callerOf, JSON_ARRAY, startShop, stateOf, type StarRocksCall } from './starrocks-client.ts'

const ROW = '1\ta\t1\n'
const FAILED = 'class com.starrocks.common.StarRocksException: '

async function prepared(call: StarRocksCall, label: string): Promise<void> {
  await call('begin', label)
  await call('load', label, { body: ROW })
  assert.equal((await call('prepare', label)).json['Status'], 'OK')
}

function said(reply: RawReply): unknown[] {
  return [reply.json['Status'], reply.json['Message']]
}

test('the frontend checks database, label, operation and database name in this order', async () => {
  await using emulator = await startShop()
  const post = async (operation: string, headers: Record<string, string>): Promise<unknown[]> =>
    said(await send(`${emulator.urls[0]}/api/transaction/${operation}`, { method: 'POST', headers }))
  assert.deepEqual(await post('begin', {}), ['FAILED', `${FAILED}No database selected.`])
  assert.deepEqual(await post('begin', { db: 'shop' }), ['FAILED', `${FAILED}Empty label.`])
  const unknown = await post('push', { db: 'shop', label: 'L' })
  assert.deepEqual(unknown, ['FAILED', `${FAILED}Unknown transaction operation: push`])
  const missing = await post('begin', { db: 'no', label: 'L' })
  assert.deepEqual(missing, ['FAILED', `${FAILED}Database[no] does not exist.`])
})

test('a second begin is empty at the same backend and RUNNING or FINISHED from the frontend', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  const same = await call('begin', 'L1')
  assert.deepEqual(same.json, { Status: 'LABEL_ALREADY_EXISTS', ExistingJobStatus: '', Message: '' })
  await call('load', 'L1', { body: ROW })
  await call('prepare', 'L1')
  const Message = 'Label [L1] has already been used.'
  const running = await call('begin', 'L1')
  assert.deepEqual(running.json, { Status: 'LABEL_ALREADY_EXISTS', ExistingJobStatus: 'RUNNING', Message })
  await call('commit', 'L1')
  assert.equal((await call('begin', 'L1')).json['ExistingJobStatus'], 'FINISHED')
})

test('a label is free again after its transaction was aborted, and the newest one counts', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const first = await call('begin', 'L1')
  const rolledBack = await call('rollback', 'L1')
  assert.deepEqual(rolledBack.json, { Status: 'OK', Message: '', Label: 'L1' })
  assert.equal(emulator.transactions()[0]?.reason, 'transaction is aborted by user.')
  const again = await call('rollback', 'L1')
  const id = String(first.json['TxnId'])
  assert.deepEqual(said(again), ['OK', `Transaction ${id} has already aborted, label is L1`])
  const second = await call('begin', 'L1')
  assert.equal(second.json['Status'], 'OK')
  assert.notEqual(second.json['TxnId'], first.json['TxnId'])
  assert.equal(await stateOf(emulator, 'L1'), 'PREPARE')
})

test('commit refuses ABORTED and rollback refuses VISIBLE', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await prepared(call, 'L1')
  await call('commit', 'L1')
  const { id } = emulator.transactions()[0] ?? { id: 0 }
  const visible = await call('rollback', 'L1')
  assert.deepEqual(said(visible), ['FAILED', `${FAILED}Can not abort VISIBLE transaction ${id}, label is L1`])
  await prepared(call, 'L2')
  assert.equal((await call('rollback', 'L2')).json['Status'], 'OK')
  assert.equal(emulator.transactions()[1]?.reason, 'User Aborted')
  const aborted = await call('commit', 'L2')
  assert.deepEqual(said(aborted), ['FAILED', `${FAILED}Can not commit ABORTED transaction ${id + 1}, label is L2`])
})

test('after prepare the backend knows the label no more', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await prepared(call, 'L1')
  const again = await call('prepare', 'L1')
  assert.deepEqual(said(again), ['TXN_NOT_EXISTS', 'transaction with label L1 not exists'])
  const load = await call('load', 'L1', { body: ROW })
  assert.deepEqual(said(load), ['TXN_NOT_EXISTS', 'Transaction with label L1 not exists'])
  assert.equal(load.wasContinued, false)
  assert.equal(await stateOf(emulator, 'L1'), 'PREPARED')
})

test('prepare without any load fails and rolls back', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  const reply = await call('prepare', 'L1')
  assert.equal(reply.json['Status'], 'INTERNAL_ERROR')
  assert.match(String(reply.json['Message']), /^transaction .*label=L1.* hasn't send any data yet$/)
  assert.equal(await stateOf(emulator, 'L1'), 'ABORTED')
})

test('a load without a single row is an error at prepare', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  assert.equal((await call('load', 'L1', { headers: JSON_ARRAY, body: '[]' })).json['Status'], 'OK')
  assert.match(String((await call('prepare', 'L1')).json['Message']), /no load data/)
  assert.equal(await stateOf(emulator, 'L1'), 'ABORTED')
})

test('loads whose headers differ roll the transaction back', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  await call('load', 'L1', { body: ROW })
  const reply = await call('load', 'L1', { headers: { column_separator: ',' }, body: '1,a,1\n' })
  assert.deepEqual(said(reply), ['INTERNAL_ERROR', 'load request not equal last.'])
  assert.equal(reply.wasContinued, false)
  assert.equal(await stateOf(emulator, 'L1'), 'ABORTED')
})

test('another table or database than at begin is refused and harms nothing', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const begun = await call('begin', 'L1')
  const load = await call('load', 'L1', { table: 'orders', body: ROW })
  const text = 'Request table orders not equal transaction table events'
  assert.deepEqual(said(load), ['INVALID_ARGUMENT', text])
  const url = `http://${begun.hops[0]}/api/transaction/prepare`
  const prepare = await send(url, { method: 'POST', headers: { db: 'other', label: 'L1' } })
  assert.deepEqual(said(prepare), ['INVALID_ARGUMENT', 'request db other transaction db shop not match'])
  const multi = await send(url, { method: 'POST', headers: { db: 'shop', label: 'L1', transaction_type: 'multi' } })
  assert.match(String(multi.json['Message']), /^Multi-statement transaction requests can only be sent to FE nodes/)
  assert.equal(await stateOf(emulator, 'L1'), 'PREPARE')
})

test('bad header values are refused in the words of the server', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const cases: [string, Record<string, string>, string, string][] = [
    ['begin', { timeout: 'soon' }, 'INVALID_ARGUMENT', 'Invalid timeout format'],
    ['begin', { timeout: '0' }, 'ANALYSIS_ERROR', 'Invalid timeout. Timeout should between 1 and 259200 seconds'],
    ['load', { format: 'orc' }, 'INTERNAL_ERROR', 'unknown data format, format=orc'],
    ['load', { strict_mode: 'maybe' }, 'INVALID_ARGUMENT', 'Invalid strict mode format. Must be bool type'],
    ['load', { partial_update: 'true' }, 'INVALID_ARGUMENT', 'Only primary key table support partial update'],
    ['prepare', { prepared_timeout: '0' }, 'INVALID_ARGUMENT', 'Invalid prepared_timeout: 0'],
  ]
  for (const [index, [operation, headers, status, message]] of cases.entries()) {
    if (operation !== 'begin') await call('begin', `L${index}`)
    assert.deepEqual(said(await call(operation, `L${index}`, { headers, body: '' })), [status, message])
  }
})

test('while a load is running every other request finds the transaction busy', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const begun = await call('begin', 'L1')
  const headers = { label: 'L1', db: 'shop', table: 'events', authorization: `Basic ${btoa('root:')}` }
  const open = request(`http://${begun.hops[0]}/api/transaction/load`, {
    method: 'PUT',
    headers: { ...headers, expect: '100-continue', 'transfer-encoding': 'chunked' },
  })
  open.flushHeaders()
  await new Promise((resolve) => open.once('continue', resolve))
  const busy = await call('prepare', 'L1')
  const Message = 'Transaction in processing, please retry later'
  assert.deepEqual(busy.json, { Status: 'TXN_IN_PROCESSING', Label: 'L1', Message })
  open.end(ROW)
  await new Promise((resolve) => open.once('response', (response) => resolve(response.resume())))
  assert.equal((await call('prepare', 'L1')).json['NumberLoadedRows'], 1)
})

test('a replayed load appends its rows once more', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  for (let time = 0; time < 2; time += 1) await call('load', 'L1', { body: ROW })
  assert.equal((await call('prepare', 'L1')).json['NumberTotalRows'], 2)
})

test('commit without prepare commits at the backend, with counters', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  await call('load', 'L1', { body: ROW })
  const reply = await call('commit', 'L1')
  assert.equal(reply.hops.length, 1)
  assert.equal(reply.json['NumberLoadedRows'], 1)
  assert.equal(emulator.rowCount('shop', 'events'), 1)
})

test('commit waits for the publish and then says FAILED although it is committed', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock, settings: { publishDelayMs: 60_000 } })
  const call = callerOf(emulator)
  await prepared(call, 'L1')
  const waiting = call('commit', 'L1')
  while ((await stateOf(emulator, 'L1')) !== 'COMMITTED') await new Promise(setImmediate)
  clock.advance(20_000)
  assert.deepEqual(said(await waiting), ['FAILED', `${FAILED}publish timeout: 20000`])
  assert.match(String((await call('commit', 'L1')).json['Message']), /has already committed/)
  assert.match(String((await call('rollback', 'L1')).json['Message']), /Can not abort COMMITTED transaction/)
  assert.equal(emulator.rowCount('shop', 'events'), 0)
  clock.advance(40_000)
  assert.equal(await stateOf(emulator, 'L1'), 'VISIBLE')
  assert.equal(emulator.rowCount('shop', 'events'), 1)
})

test('_cancel aborts PREPARE only; the query names the label before the path', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await call('begin', 'L1')
  const cancel = (path: string): Promise<RawReply> => send(`${emulator.urls[0]}/api/shop/${path}`, { method: 'POST' })
  assert.equal((await cancel('events/_cancel?label=L1')).json['status'], 'OK')
  assert.equal(await stateOf(emulator, 'L1'), 'ABORTED')
  await prepared(call, 'L2')
  const msg = 'running transaction not found, label=L2'
  assert.deepEqual((await cancel('L2/_cancel')).json, { status: 'FAILED', msg })
})

test('get_load_state answers for every label and names an unknown database', async () => {
  await using emulator = await startShop()
  const get = (path: string): Promise<RawReply> => sendFollowing(`${emulator.urls[0]}/api/${path}`, { method: 'GET' })
  assert.deepEqual((await get('shop/get_load_state?label=L')).json, { status: 'OK', msg: 'Success', state: 'UNKNOWN' })
  assert.equal((await get('no/get_load_state?label=L')).json['msg'], 'unknown database, database=no')
  assert.equal((await get('shop/get_load_state')).json['msg'], 'No label selected.')
})

test('the number of running transactions of a database is limited', async () => {
  await using emulator = await startShop({ settings: { maxRunningTxnNumPerDb: 1 } })
  const call = callerOf(emulator)
  await prepared(call, 'L1')
  const reply = await call('begin', 'L2')
  assert.equal(reply.json['Status'], 'ANALYSIS_ERROR')
  assert.match(String(reply.json['Message']), /^current running txns on db \d+ is 1, larger than limit 1$/)
  await call('commit', 'L1')
  assert.equal((await call('begin', 'L2')).json['Status'], 'OK')
})

test('too many versions fail a load until compaction has drained them', async () => {
  const clock = new ManualClock()
  const settings = { tabletMaxVersions: 3, compactionVersionsPerSecond: 1 }
  await using emulator = await startShop({ clock, settings })
  const call = callerOf(emulator)
  for (const label of ['L1', 'L2']) {
    await prepared(call, label)
    await call('commit', label)
  }
  await call('begin', 'L3')
  await call('load', 'L3', { body: ROW })
  assert.match(String((await call('prepare', 'L3')).json['Message']), /too many versions, current\/limit: 3\/3/)
  clock.advance(2_000)
  await prepared(call, 'L3')
})

test('plain stream load wants Expect and closes the connection without it', async () => {
  await using emulator = await startShop()
  const url = `${emulator.urls[0]}/api/shop/events/_stream_load`
  const refused = await send(url, { method: 'PUT', headers: { label: 'P1' }, body: ROW })
  const Message = 'class com.starrocks.common.DdlException: There is no 100-continue header'
  assert.deepEqual(refused.json, { Status: 'FAILED', Message })
  assert.equal(refused.headers.connection, 'close')
  const headers = { label: 'P1', expect: '100-continue' }
  const done = await sendFollowing(url, { method: 'PUT', headers, body: ROW })
  assert.deepEqual(Object.keys(done.json).slice(0, 4), ['TxnId', 'Label', 'Status', 'Message'])
  assert.deepEqual(said(done), ['Success', 'OK'])
  const again = await sendFollowing(url, { method: 'PUT', headers, body: ROW })
  assert.equal(again.json['TxnId'], -1)
  assert.deepEqual([again.json['Status'], again.json['ExistingJobStatus']], ['Label Already Exists', 'FINISHED'])
  assert.equal(emulator.rowCount('shop', 'events'), 1)
})

test('the frontend tells its nodes to whoever has a password', async () => {
  await using emulator = await startShop({ password: 'secret' })
  const ask = (authorization: string): Promise<Response> =>
    fetch(`${emulator.urls[0]}/api/v2/backend`, { headers: { authorization } })
  const { result, code } = (await (await ask(`Basic ${btoa('root:secret')}`)).json()) as {
    result: { hostName: string; httpPort: string }[]
    code: string
  }
  assert.equal(code, '0')
  assert.deepEqual(
    result.map(({ hostName, httpPort }) => `${hostName}:${httpPort}`),
    emulator.backends,
  )
  assert.equal((await ask(`Basic ${btoa('root:wrong')}`)).status, 401)
})
