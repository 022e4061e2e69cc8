import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../clock.ts'
import { send } from '../raw-http.ts'
import { callsOf, JSON_LINES, startShop } from './doris-client.ts'

test('a two-phase load is visible only after its commit', async () => {
  await using emulator = await startShop()
  const { load, twoPhase, state } = callsOf(emulator)
  const body = '{"id":9007199254740993,"name":"a","at":"2026-01-01T00:00:00.0004"}\n{"id":2,"name":null}\n'
  const loaded = await load('L1', body, { headers: JSON_LINES })
  assert.deepEqual(Object.keys(loaded.json), [
    ...['TxnId', 'Label', 'Comment', 'TwoPhaseCommit', 'Status', 'Message', 'NumberTotalRows', 'NumberLoadedRows'],
    ...[
      'NumberFilteredRows',
      'NumberUnselectedRows',
      'LoadBytes',
      'LoadTimeMs',
      'BeginTxnTimeMs',
      'StreamLoadPutTimeMs',
    ],
    ...['ReadDataTimeMs', 'WriteDataTimeMs', 'CommitAndPublishTimeMs'],
  ])
  assert.equal(loaded.json['Status'], 'Success')
  assert.equal(loaded.json['Message'], 'OK')
  assert.equal(loaded.json['TwoPhaseCommit'], 'true')
  assert.ok(loaded.text.endsWith('}\n'))
  assert.equal(loaded.hops.length, 1)
  assert.equal(await state('L1'), 'PRECOMMITTED')
  assert.equal(emulator.rowCount('shop', 'events'), 0)
  const id = loaded.json['TxnId']
  const committed = await twoPhase('commit', id)
  assert.deepEqual(committed.json, { status: 'Success', msg: `transaction [${String(id)}] commit successfully.` })
  assert.equal(await state('L1'), 'VISIBLE')
  assert.deepEqual(emulator.rows('shop', 'events'), [
    { id: 9007199254740993n, name: 'a', at: '2026-01-01 00:00:00.000' },
    { id: 2n, name: null, at: null },
  ])
})

test('commit returns before the rows are visible', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock, settings: { publishDelayMs: 60_000 } })
  const { load, twoPhase, state } = callsOf(emulator)
  const id = (await load('L1', '1\ta\t\\N\n')).json['TxnId']
  assert.equal((await twoPhase('commit', id)).json['status'], 'Success')
  assert.equal(await state('L1'), 'COMMITTED')
  assert.equal(emulator.rowCount('shop', 'events'), 0)
  const again = await twoPhase('commit', id)
  assert.match(String(again.json['msg']), /transaction \[\d+\] is already committed, not pre-committed\.$/)
  assert.match(String((await twoPhase('abort', id)).json['msg']), /is already COMMITTED, could not abort\.$/)
  clock.advance(60_000)
  assert.equal(await state('L1'), 'VISIBLE')
  assert.equal(emulator.rowCount('shop', 'events'), 1)
})

test('a load without two phases that is slow to publish says Publish Timeout', async () => {
  await using emulator = await startShop({ settings: { publishDelayMs: 600_000, commitPublishWaitSecond: 0 } })
  const { load, state } = callsOf(emulator)
  const reply = await load('L1', '1\ta\t\\N\n', { isTwoPhase: false })
  assert.equal(reply.json['Status'], 'Publish Timeout')
  assert.match(String(reply.json['Message']), /transaction commit successfully, BUT data will be visible later/)
  assert.equal(await state('L1'), 'COMMITTED')
})

test('each state words its refusal of commit and abort in its own way', async () => {
  await using emulator = await startShop()
  const { load, twoPhase } = callsOf(emulator)
  const visible = (await load('L1', '1\ta\t\\N\n')).json['TxnId']
  await twoPhase('commit', visible)
  const aborted = (await load('L2', '1\ta\t\\N\n')).json['TxnId']
  assert.match(String((await twoPhase('abort', aborted)).json['msg']), /^transaction \[\d+\] abort successfully\.$/)
  const msg = async (operation: 'commit' | 'abort', by: unknown): Promise<string> => {
    const { json } = await twoPhase(operation, by)
    assert.equal(json['status'], 'ANALYSIS_ERROR')
    return String(json['msg']).replace('TStatus: errCode = 2, detailMessage = ', '')
  }
  const [v, a] = [String(visible), String(aborted)]
  assert.equal(await msg('commit', visible), `transaction [${v}] is already visible, not pre-committed.`)
  assert.equal(await msg('abort', visible), `transaction [${v}] is already VISIBLE, could not abort.`)
  assert.equal(await msg('commit', aborted), `transaction [${a}] is already aborted. abort reason: User Abort`)
  assert.equal(await msg('abort', aborted), `transaction [${a}] is already aborted, abort reason: User Abort`)
  assert.equal(await msg('commit', 99), 'transaction [99] not found')
  assert.match(await msg('commit', 'L1'), /not found/)
})

test('by label, commit finds only precommitted transactions and abort also running ones', async () => {
  await using emulator = await startShop()
  const { load, twoPhase } = callsOf(emulator)
  await load('L1', '1\ta\t\\N\n')
  assert.equal((await twoPhase('commit', 'L1')).json['status'], 'Success')
  assert.match(String((await twoPhase('commit', 'L1')).json['msg']), /not found/)
  const backend = `http://${emulator.backends[1]}/api/shop/_stream_load_2pc`
  const bad = await send(backend, { method: 'PUT', headers: { txn_id: 'x', txn_operation: 'commit' } })
  assert.deepEqual(bad.json, { status: 'INVALID_ARGUMENT', msg: 'convert txn_id [x] failed' })
  const odd = await send(backend, { method: 'PUT', headers: { txn_id: '1', txn_operation: 'push' } })
  assert.equal(odd.json['msg'], "transaction operation should be 'commit' or 'abort'")
})

test('a used label names its transaction and state; after an abort it is free again', async () => {
  await using emulator = await startShop()
  const { load, twoPhase } = callsOf(emulator)
  const id = (await load('L1', '1\ta\t\\N\n')).json['TxnId']
  const again = await load('L1', '2\tb\t\\N\n')
  assert.equal(again.json['TxnId'], -1)
  assert.equal(again.json['Status'], 'Label Already Exists')
  assert.equal(again.json['ExistingJobStatus'], 'PRECOMMITTED')
  const match = /Label \[(.*)\] has already been used, relate to txn \[(\d+)\]/.exec(String(again.json['Message']))
  assert.deepEqual(match?.slice(1), ['L1', String(id)])
  await twoPhase('abort', id)
  const third = await load('L1', '3\tc\t\\N\n')
  assert.equal(third.json['Status'], 'Success')
  await twoPhase('commit', third.json['TxnId'])
  assert.equal((await load('L1', '')).json['ExistingJobStatus'], 'FINISHED')
  assert.match(String((await load('a b', '')).json['Message']), /Label format error/)
})

test('an empty load makes a real transaction that any backend aborts', async () => {
  await using emulator = await startShop()
  const { load, twoPhase, state } = callsOf(emulator)
  const reply = await load('L1', '')
  assert.equal(reply.json['Status'], 'Success')
  assert.equal(reply.json['NumberTotalRows'], 0)
  assert.equal((await twoPhase('abort', reply.json['TxnId'])).json['status'], 'Success')
  assert.equal(await state('L1'), 'ABORTED')
})

test('a precommitted transaction dies after an hour, with the reason in every later answer', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock })
  const { load, twoPhase, state } = callsOf(emulator)
  const id = (await load('L1', '1\ta\t\\N\n')).json['TxnId']
  clock.advance(3_599_000)
  assert.equal(await state('L1'), 'PRECOMMITTED')
  clock.advance(1_000)
  assert.equal(await state('L1'), 'ABORTED')
  assert.match(String((await twoPhase('commit', id)).json['msg']), /abort reason: timeout by txn manager$/)
})

test('labels are forgotten after twelve hours, and above the count whatever their age', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock, settings: { labelKeepMaxNum: 2 } })
  const { load, twoPhase, state } = callsOf(emulator)
  for (const label of ['L1', 'L2', 'L3']) await load(label, '1\ta\t\\N\n', { isTwoPhase: false })
  assert.deepEqual([await state('L1'), await state('L2'), await state('L3')], ['UNKNOWN', 'VISIBLE', 'VISIBLE'])
  assert.match(String((await twoPhase('commit', 1001)).json['msg']), /transaction \[1001\] not found/)
  clock.advance(43_200_000 + 1)
  assert.equal(await state('L3'), 'UNKNOWN')
})

test('precommitted transactions survive a frontend restart and count as running', async () => {
  await using emulator = await startShop({ settings: { maxRunningTxnNumPerDb: 1 } })
  const { load, twoPhase } = callsOf(emulator)
  const id = (await load('L1', '1\ta\t\\N\n')).json['TxnId']
  emulator.restartFrontend()
  const refused = await load('L2', '')
  assert.equal(refused.json['Status'], 'Fail')
  assert.match(String(refused.json['Message']), /current running txns on db \d+ is 1, larger than limit 1$/)
  assert.equal((await twoPhase('commit', id)).json['status'], 'Success')
})
