/** Jobs that read a logstore whose shards split and merge while they are killed. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { CELLS, cellText, hitsOf, phaseOf, whyUnreachable, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { killAfter, killAt, settle } from './kit/kills.ts'
import { LogWorld } from './sls-kit/log-world.ts'

const KILLS = process.env['MILLRACE_FULL'] === '1' ? CELLS.length : 4
const RANDOM_KILL_MS = 1500

test('a job from SLS to hudi loses and doubles nothing, wherever it is killed', async (t) => {
  await campaign(t, 'hudi')
})

test('a job from SLS to starrocks loses and doubles nothing, wherever it is killed', async (t) => {
  await campaign(t, 'starrocks')
})

async function campaign(t: TestContext, sink: 'hudi' | 'starrocks'): Promise<void> {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using world = await LogWorld.create(sink, 200)
  await settle(world)
  const changes = [
    () => world.topic.logstore.split(world.topic.shardOf(0)),
    () => world.topic.logstore.split(world.topic.shardOf(3)),
    () => mergeSomewhere(world),
  ]
  // Each kill comes near a change of the shards, as long as there are any left.
  world.topic.meanwhile = () => {
    if (chance.below(2) === 0) changes.shift()?.()
  }
  const missed: string[] = []
  for (const cell of cellsOf(sink, chance)) {
    if (!(await killAt(world, cell))) missed.push(cellText(cell))
    await world.auditVisible()
  }
  await world.topic.append(100)
  await killAfter(world, chance.below(RANDOM_KILL_MS))
  while (changes.length > 0) await world.topic.append(20)
  await settle(world)
  assert.ok(world.topic.logstore.shards.length > 4, 'shards were split and merged')
  assert.deepEqual(missed, [], `MILLRACE_SEED=${chance.seed}`)
}

/** Joins two live neighbours. */
function mergeSomewhere(world: LogWorld): void {
  const live = world.topic.logstore.shards.filter(({ status }) => status === 'readwrite')
  const left = live.find(({ endKey }) => live.some(({ beginKey }) => beginKey === endKey))
  if (left !== undefined) world.topic.logstore.merge(left.id)
}

function cellsOf(sink: 'hudi' | 'starrocks', chance: Chance): Cell[] {
  const cells = CELLS.filter((cell) => phaseOf(cell) === 'flow' && whyUnreachable(cell, sink) === undefined)
  // Two are only reached when a commit goes wrong, which other campaigns see to; a table without partitions aligns nothing.
  const elsewhere = ['evidence', 'decision.apply', ...(sink === 'hudi' ? ['chk.align'] : [])]
  const plain = cells.filter(({ name }) => !elsewhere.includes(name))
  return chance.sample(plain, KILLS).map((cell) => ({ ...cell, nth: 1 + chance.below(hitsOf(cell)) }))
}
