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
