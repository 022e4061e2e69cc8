import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { CELLS, cellText, mayBeMissed, phaseOf, whyUnreachable, type Cell, type Phase, type SinkKind } from './cells.ts'
import { Chance } from './chance.ts'
import { finish, killAfter, killAt, killAtEnd, settle, stopAfter } from './kills.ts'
import type { Broker } from './topic.ts'
import { makeTrouble } from './trouble.ts'
import { World } from './world.ts'

const only = process.env['MILLRACE_ONLY']
/** Kills at any time. */
const RANDOM = 20
/** A start takes about half a second: later than this, checkpoints are being made. */
const RANDOM_KILL_MS = 1500

/**
 * Kills a job at every failpoint and position and at random times, audits what readers see after every kill, and at last lets
 * it end. MILLRACE_ONLY takes those whose text begins so, for example `final.`. A cell that should be reached and is not
 * fails the test, and so does one that is reached against its reason.
 */
export async function killAtEveryCell(t: TestContext, broker: Broker, sink: SinkKind): Promise<void> {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  const played = [...(await killWhileRowsFlow(broker, sink, chance)), ...(await killAtTheEnd(broker, sink))]
  t.diagnostic(`${played.filter(({ isHit }) => isHit).length + RANDOM} kills of a job to ${sink}`)
  for (const { cell, isHit } of played) t.diagnostic(`${isHit ? 'killed' : 'not reachable'}  ${rowOf(cell, sink)}`)
  const surprises = played.filter(({ cell, isHit }) => {
    const isReachable = whyUnreachable(cell, sink) === undefined
    return isHit !== isReachable && !(isReachable && mayBeMissed(cell))
  })
  assert.deepEqual(surprises, [], `MILLRACE_SEED=${chance.seed}`)
}

interface Played {
  readonly cell: Cell
  readonly isHit: boolean
}

function rowOf(cell: Cell, sink: SinkKind): string {
  const why = whyUnreachable(cell, sink)
  return why === undefined ? cellText(cell) : `${cellText(cell)}: ${why}`
}

async function killWhileRowsFlow(broker: Broker, sink: SinkKind, chance: Chance): Promise<Played[]> {
  await using world = await World.create({ broker, sink, rows: 500 })
  // Some steps of a start are only taken when there is a checkpoint to go on from.
  await settle(world)
  const played: Played[] = []
  for (const cell of cellsOf('flow')) {
    const calm = await makeTrouble(world, cell)
    played.push({ cell, isHit: await killAt(world, cell) })
    await calm?.()
    await world.auditVisible()
  }
  for (let kill = 0; kill < RANDOM; kill++) {
    await world.topic.append(200)
    await killAfter(world, chance.below(RANDOM_KILL_MS))
    await world.auditVisible()
  }
  await stopAfter(world, chance.below(RANDOM_KILL_MS))
  await settle(world)
  return played
}

/**
 * The steps at the end follow each other, so one job can die at several of them. One that is missed ends the job; a last
 * checkpoint that was published is committed by the next start already.
 */
async function killAtTheEnd(broker: Broker, sink: SinkKind): Promise<Played[]> {
  const left = cellsOf('finish')
  const played: Played[] = []
  while (left.length > 0) {
    // A pause that never ends: after the first checkpoint, all rows are left for the last one.
    await using world = await World.create({ broker, sink, rows: 500, isBounded: true, interval: '1h' })
    for (let goesOn = true; goesOn;) {
      const cell = left.shift()
      if (cell === undefined) break
      const isHit = await killAtEnd(world, cell)
      played.push({ cell, isHit })
      await world.auditVisible()
      goesOn = isHit && left[0]?.name !== 'final.commit'
    }
    await finish(world)
  }
  return played
}

function cellsOf(phase: Phase): Cell[] {
  return CELLS.filter((cell) => phaseOf(cell) === phase && (!only || cellText(cell).startsWith(only)))
}
