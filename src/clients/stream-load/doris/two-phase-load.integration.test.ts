import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Secret } from '../../../core/secret.ts'
import {
  type DorisEmulator,
  type DorisEmulatorOptions,
  startDorisEmulator,
} from '../../../testkit/emulators/doris/index.ts'
import type { StreamLoadEndpoint } from '../endpoint.ts'
import { PlainLoads } from '../plain-load.ts'
import { DorisTwoPhaseLoads } from './two-phase-load.ts'

const COLUMNS = [
  { name: 'id', type: 'BIGINT' },
  { name: 'name', type: 'VARCHAR(20)' },
]
const AT = { database: 'demo', table: 'clicks', label: 'm_1' }
const HEADERS = [
  ['format', 'json'],
  ['read_json_by_line', 'true'],
  ['strict_mode', 'true'],
] as const
const ROWS = '{"id":1,"name":"a"}\n{"id":2,"name":"b"}\n'

interface World extends AsyncDisposable {
  readonly server: DorisEmulator
  readonly client: DorisTwoPhaseLoads
  readonly endpoint: StreamLoadEndpoint
  /** Loads `ROWS` under `AT.label` up to PRECOMMITTED. */
  precommitted(): Promise<bigint>
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

async function openWorld(options: DorisEmulatorOptions = {}): Promise<World> {
  const server = await startDorisEmulator({
    password: 'canary',
    tables: [{ database: 'demo', table: 'clicks', columns: COLUMNS, model: 'duplicate' }],
    ...options,
  })
  // No `backends`: the FE is asked for them.
  const endpoint = { urls: server.urls, username: 'root', password: new Secret('canary'), allowPlaintext: false }
  const client = new DorisTwoPhaseLoads(endpoint, { pause })
  return {
    server,
    client,
    endpoint,
    precommitted: async () => {
      const load = await client.load({ ...AT, headers: HEADERS })
      await load.write(Buffer.from(ROWS))
      const outcome = await load.end()
      assert.ok(outcome.kind === 'precommitted', inspect(outcome))
      assert.deepEqual(outcome.counts, { total: 2, loaded: 2, filtered: 0, unselected: 0 })
      return outcome.txnId
    },
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]()
      await server.close()
    },
  }
}

test('rows are visible after the commit and not before, and a second commit changes nothing', async () => {
  await using world = await openWorld()
  const at = { ...AT, txnId: await world.precommitted() }
  assert.equal(world.server.rowCount('demo', 'clicks'), 0)
  assert.deepEqual(await world.client.state(at), { kind: 'state', state: 'PRECOMMITTED' })
  assert.equal((await world.client.commit(at)).kind, 'visible-pending')
  assert.deepEqual(await world.client.settle(at, 5_000), { kind: 'already-committed' })
  assert.deepEqual(await world.client.commit(at), { kind: 'already-committed' })
  assert.equal((await world.client.abort(at)).kind, 'committed')
  assert.equal(world.server.rowCount('demo', 'clicks'), 2)
})

test('a commit whose reply is lost or cut off is repeated or settled, never done twice', async () => {
  for (const action of ['drop-reply', 'garble'] as const) {
    await using world = await openWorld()
    const at = { ...AT, txnId: await world.precommitted() }
    world.server.addFault({ match: { operation: 'twoPhaseCommit', server: 'backend' }, action })
    assert.match((await world.client.commit(at)).kind, /^(?:unknown|visible-pending|already-committed)$/)
    assert.deepEqual(await world.client.settle(at, 5_000), { kind: 'already-committed' })
    assert.equal(world.server.rowCount('demo', 'clicks'), 2)
  }
})

test('a commit goes to another backend when the one that loaded is dead', async () => {
  await using world = await openWorld({ backends: 2 })
  const at = { ...AT, txnId: await world.precommitted() }
  await world.server.killBackend(world.server.transactions()[0]?.coordinator ?? 0)
  const outcome = await world.client.commit(at)
  assert.ok(outcome.kind === 'visible-pending' || outcome.kind === 'already-committed', inspect(outcome))
})

test('a label that is precommitted already is told with its transaction, and can be abandoned and used again', async () => {
  await using world = await openWorld()
  const txnId = await world.precommitted()
  const again = await world.client.load({ ...AT, headers: HEADERS })
  await again.write(Buffer.from(ROWS)).catch(() => undefined)
  assert.deepEqual(await again.end(), { kind: 'label-exists', existing: 'precommitted', txnId })
  assert.equal((await world.client.abandon(AT)).kind, 'rolled-back')
  assert.equal((await world.client.abandon(AT)).kind, 'already-rolled-back')
  assert.equal((await world.client.commit({ ...AT, txnId })).kind, 'lost')
  assert.notEqual(await world.precommitted(), txnId)
  assert.equal((await world.client.abandon({ ...AT, label: 'never' })).kind, 'not-found')
})

test('a load whose reply is lost is found by its label', async () => {
  await using world = await openWorld()
  world.server.addFault({ match: { operation: 'streamLoad', server: 'backend' }, action: 'drop-reply' })
  const load = await world.client.load({ ...AT, headers: HEADERS })
  await load.write(Buffer.from(ROWS))
  assert.equal((await load.end()).kind, 'unknown')
  assert.equal((await world.client.abandon(AT)).kind, 'rolled-back')
  assert.equal(world.server.rowCount('demo', 'clicks'), 0)
})

test('an expired or forgotten transaction is never taken for committed', async () => {
  await using world = await openWorld()
  const at = { ...AT, txnId: await world.precommitted() }
  world.server.addFault({ match: { operation: 'twoPhaseCommit' }, action: 'expire-transaction' })
  const outcome = await world.client.commit(at)
  assert.deepEqual([outcome.kind, 'why' in outcome && outcome.why], ['lost', 'expired'])
  world.server.addFault({ match: { operation: 'twoPhaseCommit' }, action: 'evict-label' })
  assert.equal((await world.client.commit(at)).kind, 'unknown')
  assert.equal((await world.client.settle(at, 10)).kind, 'unknown')
  assert.equal(world.server.rowCount('demo', 'clicks'), 0)
})

test('rows that do not fit are poison, and a wrong password halts', async () => {
  await using world = await openWorld()
  const load = await world.client.load({ ...AT, headers: HEADERS })
  await load.write(Buffer.from('{"id":"no number","name":"a"}\n')).catch(() => undefined)
  const outcome = await load.end()
  assert.ok(outcome.kind === 'failed' && outcome.error.code === 'POISON', inspect(outcome))
  await using stranger = new DorisTwoPhaseLoads({ ...world.endpoint, password: new Secret('wrong') })
  const refused = await stranger.commit({ ...AT, txnId: 1n })
  assert.ok(refused.kind === 'failed' && refused.error.code === 'AUTH', inspect(refused))
})

test('a plain load is taken once per label', async () => {
  await using world = await openWorld()
  await using plain = new PlainLoads('doris', world.endpoint, { pause })
  for (const expected of ['loaded', 'loaded-before']) {
    const load = await plain.load({ ...AT, headers: HEADERS })
    await load.write(Buffer.from(ROWS)).catch(() => undefined)
    assert.equal((await load.end()).kind, expected)
  }
  assert.equal(world.server.rowCount('demo', 'clicks'), 2)
})
