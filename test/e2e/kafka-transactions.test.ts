/** What a job that was killed leaves open in Kafka can be seen, and ended by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { millrace, resultOf } from './command-line.ts'
import { armed } from './kit/cells.ts'
import { settle } from './kit/kills.ts'
import { Broker } from './kit/topic.ts'
import { World } from './kit/world.ts'

interface Listed {
  readonly transactions: readonly { readonly transactionalId: string; readonly checkpoint: number | null }[]
  readonly ended: readonly string[]
}

test('transactions that no checkpoint owns are aborted by hand, and one that a checkpoint owns is committed', async () => {
  await using broker = await Broker.open()
  await using world = await World.create({ broker, sink: 'kafka', rows: 100 })
  const list = (...options: string[]): Promise<Listed> =>
    resultOf<Listed>(world.home.directory, 'transactions', 'kills.yaml', ...options)

  await killed(world, armed({ name: 'sink.prepare', position: 'after', nth: 1 }, 'kill'))
  const lingering = await list()
  assert.ok(lingering.transactions.length > 0)
  assert.ok(lingering.transactions.every(({ checkpoint }) => checkpoint === null))
  const aborted = await list('--abort-lingering')
  assert.equal(aborted.ended.length, lingering.transactions.length)
  assert.deepEqual((await list()).transactions, [])

  await killed(world, armed({ name: 'commit', position: 'before', nth: 1 }, 'kill'))
  const owned = (await list()).transactions.filter(({ checkpoint }) => checkpoint !== null)
  assert.ok(owned.length > 0)
  await list('--abort-lingering')
  assert.deepEqual((await list()).transactions, owned, 'what a checkpoint owns is not touched')
  for (const { transactionalId } of owned) await list('--commit', transactionalId)
  assert.deepEqual((await list()).transactions, [])
  assert.deepEqual(await world.auditVisible(), [100, 100, 100])
  // The next start finds them committed and goes on.
  await settle(world)
})

test('a pipeline without Kafka as a target has no transactions to show', async () => {
  await using broker = await Broker.open()
  await using world = await World.create({ broker, sink: 'files', rows: 1 })
  assert.equal((await millrace(world.home.directory, 'transactions', 'kills.yaml')).code, 64)
})

async function killed(world: World, failpoints: string): Promise<void> {
  await using run = world.home.start(failpoints)
  assert.equal((await run.ended()).signal, 'SIGKILL')
}
