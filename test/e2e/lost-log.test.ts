/** Somebody takes the state directory away: a start that knows nothing must not write again what is in the sink. */
import assert from 'node:assert/strict'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { SinkKind } from './kit/cells.ts'
import { endedWell } from './kit/kills.ts'
import { Broker } from './kit/topic.ts'
import { World } from './kit/world.ts'

const ROWS = 50
const IN_DOUBT = { code: 68, signal: null }

let broker: Broker

before(async () => {
  broker = await Broker.open()
})

after(() => broker[Symbol.asyncDispose]())

/** A job over a bounded topic that ran once, as far as `failpoints` let it. */
async function ranOnce(sink: SinkKind, failpoints = ''): Promise<World> {
  const world = await World.create({ broker, sink, rows: ROWS, isBounded: true })
  await using run = world.home.start(failpoints)
  if (failpoints === '') await endedWell(run)
  else assert.equal((await run.ended()).signal, 'SIGKILL', run.out + run.err)
  return world
}

const stateOf = (world: World, name = 'state'): string => path.join(world.home.directory, name)

/** Starts without the state, which has to halt and to leave everything as it is. Then the state comes back. */
async function halts(world: World): Promise<void> {
  const [seen, residue] = [await world.auditVisible(), await world.target.residue()]
  renameSync(stateOf(world), stateOf(world, 'taken-away'))
  await using blind = world.home.start()
  assert.deepEqual(await blind.ended(), IN_DOUBT, blind.out + blind.err)
  assert.match(blind.err, /OUTCOME_UNKNOWN.*"out".*another `name`/s)
  rmSync(stateOf(world), { recursive: true })
  renameSync(stateOf(world, 'taken-away'), stateOf(world))
  assert.deepEqual(await world.auditVisible(), seen)
  assert.deepEqual(await world.target.residue(), residue)
}

suite('a state directory that was taken away', { concurrency: 2 }, () => {
  for (const sink of ['starrocks', 'doris', 'hudi', 'files'] as const) {
    test(`what ${sink} holds committed halts the next start; with the directory back nothing is to do`, async () => {
      await using world = await ranOnce(sink)
      await halts(world)
      await using again = world.home.start()
      await endedWell(again)
      await world.auditEnd()
    })

    test(`what ${sink} holds prepared halts the next start; with the directory back it is committed`, async () => {
      await using world = await ranOnce(sink, 'commit:before@1=kill')
      await halts(world)
      await using again = world.home.start()
      await endedWell(again)
      await world.auditEnd()
    })
  }

  test('a start that died before its first checkpoint is no earlier life', async () => {
    await using world = await ranOnce('starrocks', 'store.manifest.publish:before@3=kill')
    assert.notDeepEqual(await world.target.residue(), [], 'it had prepared something')
    await using again = world.home.start()
    await endedWell(again)
    await world.auditEnd()
  })

  test('under another name the pipeline begins anew', async () => {
    await using world = await ranOnce('starrocks')
    rmSync(stateOf(world), { recursive: true })
    const file = path.join(world.home.directory, 'kills.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace('name: kills', 'name: again'))
    await using renamed = world.home.start()
    await endedWell(renamed)
    await assert.rejects(
      world.auditVisible(),
      /twice/,
      'what was there stays, and is written again because it was asked for',
    )
  })
})
