import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Secret } from '../../../core/secret.ts'
import {
  type StarRocksEmulator,
  type StarRocksEmulatorOptions,
  startStarRocksEmulator,
} from '../../../testkit/emulators/starrocks/index.ts'
import { PlainLoads } from '../plain-load.ts'
import { StarRocksTransactions } from './transaction.ts'

const COLUMNS = [
  { name: 'id', type: 'BIGINT' },
  { name: 'name', type: 'VARCHAR(20)' },
]
const AT = { database: 'demo', table: 'clicks', label: 'm_1' }
const JSON_ROWS = [
  ['format', 'json'],
  ['strip_outer_array', 'true'],
  ['strict_mode', 'true'],
] as const

interface World extends AsyncDisposable {
  readonly server: StarRocksEmulator
  readonly client: StarRocksTransactions
  readonly plain: PlainLoads
  /** Loads these rows under `AT.label` and prepares them. */
  prepared(rows: readonly object[]): Promise<void>
}

async function openWorld(options: StarRocksEmulatorOptions = {}): Promise<World> {
  const server = await startStarRocksEmulator({
    password: 'canary',
    tables: [{ database: 'demo', table: 'clicks', columns: COLUMNS, model: 'duplicate' }],
    ...options,
  })
  const endpoint = {
    urls: server.urls,
    username: 'root',
    password: new Secret('canary'),
    allowPlaintext: false,
    backends: server.backends,
  }
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
  const client = new StarRocksTransactions(endpoint, { pause })
  const plain = new PlainLoads('starrocks', endpoint, { pause })
  return {
    server,
    client,
    plain,
    prepared: async (rows) => {
      assert.equal((await client.begin({ ...AT, timeoutS: 600 })).kind, 'begun')
      const load = await client.load({ ...AT, headers: JSON_ROWS })
      await load.write(Buffer.from(JSON.stringify(rows)))
      assert.equal((await load.end()).kind, 'loaded')
      const outcome = await client.prepare(AT)
      assert.ok(outcome.kind === 'prepared', inspect(outcome))
      assert.deepEqual(outcome.counts, { total: rows.length, loaded: rows.length, filtered: 0, unselected: 0 })
    },
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]()
      await plain[Symbol.asyncDispose]()
      await server.close()
    },
  }
}

test('rows are visible after the commit and not before, and a second commit changes nothing', async () => {
  await using world = await openWorld()
  await world.prepared([
    { id: 1, name: 'a' },
    { id: 9007199254740991, name: 'b' },
  ])
  assert.equal(world.server.rowCount('demo', 'clicks'), 0)
  assert.deepEqual(await world.client.state(AT), { kind: 'state', state: 'PREPARED', reason: '' })
  assert.deepEqual(await world.client.commit(AT), { kind: 'committed' })
  assert.equal(world.server.rowCount('demo', 'clicks'), 2)
  assert.deepEqual(await world.client.commit(AT), { kind: 'already-committed' })
  assert.deepEqual(await world.client.settle(AT, 1_000), { kind: 'already-committed' })
  assert.equal(world.server.rowCount('demo', 'clicks'), 2)
})

test('a follower sends the transaction on to the leader, which sends it to its backend', async () => {
  await using world = await openWorld({ followerFrontends: 1 })
  const [leader = '', follower = ''] = world.server.urls
  const endpoint = { urls: [follower, leader], username: 'root', password: new Secret('canary'), allowPlaintext: false }
  await using client = new StarRocksTransactions({ ...endpoint, backends: world.server.backends })
  assert.equal((await client.begin({ ...AT, timeoutS: 600 })).kind, 'begun')
  assert.equal((await client.rollback(AT)).kind, 'rolled-back')
  assert.equal((await client.rollback(AT)).kind, 'already-rolled-back')
  assert.ok(world.server.requests().some((request) => request.server === 'frontend-1' && request.status === 307))
})

test('a lost reply to prepare is replaced by the state, without the counters', async () => {
  await using world = await openWorld()
  assert.equal((await world.client.begin({ ...AT, timeoutS: 600 })).kind, 'begun')
  const load = await world.client.load({ ...AT, headers: JSON_ROWS })
  await load.write(Buffer.from('[{"id":1,"name":"a"}]'))
  assert.equal((await load.end()).kind, 'loaded')
  world.server.addFault({ match: { operation: 'prepare', server: 'backend' }, action: 'drop-reply' })
  assert.deepEqual(await world.client.prepare(AT), { kind: 'prepared-uncounted' })
})

test('a commit whose reply is lost or cut off is repeated or settled, never done twice', async () => {
  for (const action of ['drop-reply', 'garble'] as const) {
    await using world = await openWorld()
    await world.prepared([{ id: 1, name: 'a' }])
    world.server.addFault({ match: { operation: 'commit', server: 'frontend' }, action })
    const outcome = await world.client.commit(AT)
    // A lost connection is tried again at once; a garbled reply is left to the caller.
    assert.equal(outcome.kind, action === 'drop-reply' ? 'already-committed' : 'unknown')
    assert.deepEqual(await world.client.settle(AT, 1_000), { kind: 'already-committed' })
    assert.equal(world.server.rowCount('demo', 'clicks'), 1)
  }
})

test('a prepared transaction survives a restart of the FE; an open one is reported as gone', async () => {
  await using world = await openWorld()
  await world.prepared([{ id: 1, name: 'a' }])
  const open = { ...AT, label: 'm_2' }
  assert.equal((await world.client.begin({ ...open, timeoutS: 600 })).kind, 'begun')
  world.server.restartFrontend()
  assert.equal((await world.client.prepare(open)).kind, 'failed')
  assert.equal((await world.client.commit(AT)).kind, 'committed')
})

test('an expired or forgotten label is never taken for committed', async () => {
  await using world = await openWorld()
  await world.prepared([{ id: 1, name: 'a' }])
  world.server.addFault({ match: { operation: 'commit' }, action: 'expire-transaction' })
  assert.equal((await world.client.commit(AT)).kind, 'lost')
  assert.equal((await world.client.settle(AT, 1_000)).kind, 'lost')
  world.server.addFault({ match: { operation: 'commit' }, action: 'evict-label' })
  assert.notEqual((await world.client.commit(AT)).kind, 'committed')
  assert.equal((await world.client.settle(AT, 10)).kind, 'unknown')
  assert.equal(world.server.rowCount('demo', 'clicks'), 0)
})

test('rows that do not fit are poison at prepare, and nothing becomes visible', async () => {
  await using world = await openWorld()
  assert.equal((await world.client.begin({ ...AT, timeoutS: 600 })).kind, 'begun')
  const load = await world.client.load({ ...AT, headers: JSON_ROWS })
  await load.write(Buffer.from('[{"id":"no number","name":"a"}]'))
  await load.end()
  const outcome = await world.client.prepare(AT)
  assert.ok(outcome.kind === 'failed' && outcome.error.code === 'POISON', inspect(outcome))
  assert.equal(world.server.requests().filter((request) => request.path.includes('error_log')).length, 0)
})

test('a transaction whose backend died is abandoned through the FE', async () => {
  await using world = await openWorld({ backends: 1 })
  assert.equal((await world.client.begin({ ...AT, timeoutS: 600 })).kind, 'begun')
  await world.server.restartBackend(0)
  assert.equal((await world.client.abandon(AT)).kind, 'rolled-back')
  assert.equal((await world.client.abandon(AT)).kind, 'already-rolled-back')
  assert.equal((await world.client.abandon({ ...AT, label: 'never' })).kind, 'not-found')
})

test('a connection that breaks in the middle of a body is an unknown load', async () => {
  await using world = await openWorld()
  assert.equal((await world.client.begin({ ...AT, timeoutS: 600 })).kind, 'begun')
  world.server.addFault({ match: { operation: 'load', server: 'backend' }, action: 'reset-mid-body', bytes: 1 << 16 })
  const load = await world.client.load({ ...AT, headers: JSON_ROWS })
  await assert.rejects(async () => {
    for (let round = 0; round < 1_000; round++) await load.write(Buffer.alloc(1 << 16, 32))
  })
  assert.equal((await load.outcome).kind, 'unknown')
  assert.equal((await world.client.rollback(AT)).kind, 'rolled-back')
})

test('a wrong password halts', async () => {
  await using world = await openWorld()
  const endpoint = { urls: world.server.urls, username: 'root', password: new Secret('wrong'), allowPlaintext: false }
  await using client = new StarRocksTransactions(endpoint)
  const outcome = await client.begin({ ...AT, timeoutS: 600 })
  assert.ok(outcome.kind === 'failed' && outcome.error.code === 'AUTH' && outcome.error.retry === 'halt')
})

test('a plain load is taken once per label', async () => {
  await using world = await openWorld()
  for (const expected of ['loaded', 'loaded-before']) {
    const load = await world.plain.load({ ...AT, headers: JSON_ROWS })
    await load.write(Buffer.from('[{"id":1,"name":"a"}]')).catch(() => undefined)
    assert.equal((await load.end()).kind, expected)
  }
  assert.equal(world.server.rowCount('demo', 'clicks'), 1)
})
