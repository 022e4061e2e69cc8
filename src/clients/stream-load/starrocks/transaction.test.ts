import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endpointOf, ScriptedServer, type Visit } from '../testing/scripted-server.ts'
import { StarRocksTransactions } from './transaction.ts'

const AT = { database: 'demo', table: 'clicks', label: 'm_1' }
const COUNTERS = { NumberTotalRows: 2, NumberLoadedRows: 2, NumberFilteredRows: 0, NumberUnselectedRows: 0 }

function answer(visit: Visit, fields: object): void {
  visit.reply({ Status: 'OK', Message: '', Label: AT.label, TxnId: 7, ...fields })
}

/** A backend that does everything right, and an FE that sends everything to it and lists it. */
async function openCluster(): Promise<AsyncDisposable & { fe: ScriptedServer; be: ScriptedServer; bodies: string[] }> {
  const bodies: string[] = []
  const be = await ScriptedServer.start(async (visit) => {
    if (visit.path.endsWith('/load')) {
      visit.proceed()
      const body = await visit.readBody()
      bodies.push(body.toString())
      answer(visit, { LoadBytes: body.length })
    } else answer(visit, { BeginTxnTimeMs: 0, ...(visit.path.endsWith('/prepare') ? COUNTERS : {}) })
  })
  const fe = await ScriptedServer.start((visit) => {
    if (visit.path === '/api/v2/backend') {
      visit.reply({ code: '0', message: 'OK', result: [{ hostName: '127.0.0.1', httpPort: `${be.port}` }] })
    } else if (visit.path.startsWith('/api/transaction/commit')) answer(visit, {})
    else if (visit.path.startsWith('/api/transaction/')) visit.redirect(be.url + visit.path)
    else visit.reply({ status: 'FAILED', msg: 'Not implemented' }, 404)
  })
  const dispose = async (): Promise<void> => {
    await fe[Symbol.asyncDispose]()
    await be[Symbol.asyncDispose]()
  }
  return { fe, be, bodies, [Symbol.asyncDispose]: dispose }
}

test('a transaction goes from begin through two loads and prepare to commit, over redirects of the FE', async () => {
  await using cluster = await openCluster()
  await using client = new StarRocksTransactions(endpointOf([cluster.fe]))
  assert.deepEqual(await client.begin({ ...AT, timeoutS: 600 }), { kind: 'begun', txnId: 7n })
  for (const rows of [['1,a\n', '2,b\n'], ['3,c\n']]) {
    const load = await client.load({ ...AT, headers: [['format', 'csv']] })
    for (const row of rows) await load.write(Buffer.from(row))
    assert.deepEqual(await load.end(), { kind: 'loaded', txnId: 7n, loadBytes: 4 * rows.length })
  }
  assert.deepEqual(await client.prepare({ ...AT, preparedTimeoutS: 3600 }), {
    kind: 'prepared',
    txnId: 7n,
    counts: { total: 2, loaded: 2, filtered: 0, unselected: 0 },
  })
  assert.deepEqual(await client.commit(AT), { kind: 'committed' })
  assert.deepEqual(cluster.bodies, ['1,a\n2,b\n', '3,c\n'])
  const basic = `Basic ${Buffer.from('tester:canary-secret').toString('base64')}`
  for (const seen of [...cluster.fe.seen, ...cluster.be.seen]) assert.equal(seen.headers.get('authorization'), basic)
  const begin = cluster.be.seen[0]?.headers
  assert.deepEqual(
    ['db', 'table', 'label', 'timeout'].map((name) => begin?.get(name)),
    ['demo', 'clicks', 'm_1', '600'],
  )
  assert.ok(!cluster.fe.received.includes('1,a'), 'the FE saw rows')
})

const BUSY = { Status: 'TXN_IN_PROCESSING', Label: AT.label, Message: 'Transaction in processing, please retry later' }
const GONE = { Status: 'TXN_NOT_EXISTS', Message: `transaction with label ${AT.label} not exists` }

/** Answers each operation with its replies in turn; the last one stays. Counts what was asked, and the pauses. */
async function openScript(
  script: Readonly<Record<string, readonly object[]>>,
): Promise<AsyncDisposable & { client: StarRocksTransactions; asked: string[]; pauses: number[] }> {
  const asked: string[] = []
  const pauses: number[] = []
  const fe = await ScriptedServer.start(async (visit) => {
    const operation = /(begin|load|prepare|commit|rollback|get_load_state|_cancel)(?:\?|$)/.exec(visit.path)?.[1] ?? ''
    const replies = script[operation] ?? assert.fail(`nobody expected ${visit.path}`)
    const reply = replies[Math.min(asked.filter((name) => name === operation).length, replies.length - 1)] ?? {}
    asked.push(operation)
    visit.reply(reply, 200, operation === 'load' ? { Connection: 'close' } : {})
  })
  const pause = async (ms: number): Promise<void> => void pauses.push(ms)
  const client = new StarRocksTransactions(endpointOf([fe]), { pause, busyMs: 2_000 })
  const dispose = async (): Promise<void> => {
    await client[Symbol.asyncDispose]()
    await fe[Symbol.asyncDispose]()
    assert.deepEqual(fe.failures, [])
  }
  return { client, asked, pauses, [Symbol.asyncDispose]: dispose }
}

function state(...states: string[]): object[] {
  return states.map((name) => ({ status: 'OK', msg: 'Success', state: name }))
}

test('a busy transaction is prepared again, with growing pauses', async () => {
  const ok = { Status: 'OK', Message: '', Label: AT.label, TxnId: 7, ...COUNTERS }
  await using script = await openScript({ prepare: [BUSY, BUSY, ok] })
  assert.equal((await script.client.prepare(AT)).kind, 'prepared')
  assert.deepEqual(script.pauses, [50, 100])
})

test('a transaction that stays busy is an unknown prepare after the limit', async () => {
  await using script = await openScript({ prepare: [BUSY] })
  assert.equal((await script.client.prepare(AT)).kind, 'unknown')
  assert.equal(
    script.pauses.reduce((sum, ms) => sum + ms, 0),
    2_000,
  )
})

test('a prepare that finds nothing is asked for once and then looked up until it is decided', async () => {
  await using script = await openScript({ prepare: [GONE], get_load_state: state('PREPARE', 'PREPARE', 'PREPARED') })
  assert.deepEqual(await script.client.prepare(AT), { kind: 'prepared-uncounted' })
  assert.deepEqual(script.asked, ['prepare', 'get_load_state', 'get_load_state', 'get_load_state'])
})

test('a prepare that was lost on its way is sent again', async () => {
  const asked: string[] = []
  const ok = { Status: 'OK', Message: '', Label: AT.label, TxnId: 7, ...COUNTERS }
  await using fe = await ScriptedServer.start(async (visit) => {
    asked.push(visit.path.includes('get_load_state') ? 'state' : 'prepare')
    if (asked.length === 1) return visit.close('reset')
    visit.reply(asked.at(-1) === 'state' ? (state('PREPARE')[0] ?? {}) : ok)
  })
  await using client = new StarRocksTransactions(endpointOf([fe]), { pause: async () => undefined })
  assert.equal((await client.prepare(AT)).kind, 'prepared')
  assert.deepEqual(asked, ['prepare', 'state', 'prepare'])
})

test('a prepare that rolled back restarts the job', async () => {
  await using script = await openScript({ prepare: [GONE], get_load_state: state('ABORTED') })
  const outcome = await script.client.prepare(AT)
  assert.ok(outcome.kind === 'failed' && outcome.error.retry === 'restart')
})

test('settling waits until the rows are visible, and no longer than it may', async () => {
  await using soon = await openScript({ get_load_state: state('COMMITTED', 'COMMITTED', 'VISIBLE') })
  assert.deepEqual(await soon.client.settle(AT, 10_000), { kind: 'already-committed' })
  await using never = await openScript({ get_load_state: state('COMMITTED') })
  assert.equal((await never.client.settle(AT, 500)).kind, 'visible-pending')
  assert.equal(
    never.pauses.reduce((sum, ms) => sum + ms, 0),
    500,
  )
})

test('settling ends at once where waiting changes nothing', async () => {
  for (const [name, expected] of [
    ['PREPARED', 'retry'],
    ['ABORTED', 'lost'],
    ['UNKNOWN', 'unknown'],
  ] as const) {
    await using script = await openScript({ get_load_state: state(name) })
    assert.equal((await script.client.settle(AT, 10_000)).kind, expected)
    assert.deepEqual(script.pauses, [])
  }
})

test('a load that finds the transaction busy is opened again before a byte of it is sent', async () => {
  await using script = await openScript({ load: [BUSY, BUSY, GONE] })
  const load = await script.client.load({ ...AT, headers: [] })
  const outcome = await load.outcome
  assert.ok(outcome.kind === 'failed' && outcome.error.retry === 'restart')
  await assert.rejects(load.write(Buffer.from('row')), /no longer has the transaction/)
  assert.deepEqual(script.pauses, [20, 40])
})

test('an unwanted label whose backend waits for the rest of a load is cancelled at the frontend', async () => {
  const cancelled = { status: 'OK', msg: 'Success' }
  await using script = await openScript({ rollback: [BUSY], get_load_state: state('PREPARE'), _cancel: [cancelled] })
  assert.equal((await script.client.abandon(AT)).kind, 'rolled-back')
  assert.deepEqual(script.asked.slice(-3), ['rollback', 'get_load_state', '_cancel'])
  assert.deepEqual(script.pauses, [50, 100, 200, 400, 800])
})

test('an unwanted label is rolled back, cancelled when its backend is gone, and never begun', async () => {
  const cases = [
    { found: 'PREPARE', cancel: { status: 'OK', msg: 'Success' }, expected: 'rolled-back' },
    { found: 'ABORTED', expected: 'already-rolled-back' },
    { found: 'VISIBLE', expected: 'committed' },
    { found: 'UNKNOWN', expected: 'not-found' },
  ]
  for (const { found, cancel, expected } of cases) {
    await using script = await openScript({ rollback: [GONE], get_load_state: state(found), _cancel: [cancel ?? {}] })
    assert.equal((await script.client.abandon(AT)).kind, expected, found)
    assert.ok(!script.asked.includes('begin'))
  }
})

test('names that could end a header are refused before anything is sent', async () => {
  await using script = await openScript({})
  for (const evil of ['a\r\nX: 1', 'a\n', 'a\0', '\u010a']) {
    const outcome = await script.client.begin({ ...AT, table: evil, timeoutS: 600 })
    assert.ok(outcome.kind === 'failed' && outcome.error.code === 'CONFIG', evil)
    await assert.rejects(script.client.load({ ...AT, headers: [['columns', evil]] }), /columns/)
  }
  assert.deepEqual(script.asked, [])
})
