import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { CELLS, cellText, hitsOf, phaseOf, whyUnreachable, type Cell, type SinkKind } from './cells.ts'
import { Chance } from './chance.ts'
import { finish, killAfter, killAt, killAtEnd, settle, stopAfter } from './kills.ts'
import type { Broker } from './topic.ts'
import { World } from './world.ts'

export interface CampaignSize {
  /** Kills at failpoints while rows flow, and at the end of a source. */
  readonly flow: number
  readonly finish: number
  /** Kills at any time. */
  readonly random: number
}

const only = process.env['MILLRACE_ONLY']
const isFull = process.env['MILLRACE_FULL'] === '1'
/** A start takes about half a second: later than this, checkpoints are being made. */
const RANDOM_KILL_MS = 1500

/**
 * Kills a job again and again, audits what readers see after every kill, and at last lets it end. MILLRACE_FULL plays
 * every failpoint at every position; otherwise a sample, which MILLRACE_SEED repeats. MILLRACE_ONLY takes those whose
 * text begins so, for example `final.`. A cell that should be reached and is not fails the test, and so does one that is
 * reached against its reason.
 */
export async function campaign(t: TestContext, broker: Broker, sink: SinkKind, size: CampaignSize): Promise<void> {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  const played = [
    ...(await killWhileRowsFlow(broker, sink, chance, size)),
    ...(await killAtTheEnd(broker, sink, chance, size.finish)),
  ]
  const table = played.map(({ cell, isHit }) => `${isHit ? 'killed' : 'not reachable'}  ${rowOf(cell, sink)}`)
  t.diagnostic(`${played.filter(({ isHit }) => isHit).length + size.random} kills of a job to ${sink}`)
  for (const line of table) t.diagnostic(line)
  const surprises = played.filter(({ cell, isHit }) => isHit !== (whyUnreachable(cell, sink) === undefined))
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

async function killWhileRowsFlow(
  broker: Broker,
  sink: SinkKind,
  chance: Chance,
  { flow, random }: CampaignSize,
): Promise<Played[]> {
  await using world = await World.create({ broker, sink, rows: 500 })
  // Some steps of a start are only taken when there is a checkpoint to go on from.
  await settle(world)
  const cells = choose(sink, 'flow', chance, flow)
  const played: Played[] = []
  for (const cell of cells) {
    const calm = await makeTrouble(world, cell)
    played.push({ cell, isHit: await killAt(world, cell) })
    await calm?.()
    await world.auditVisible()
  }
  for (let kill = 0; kill < random; kill++) {
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
async function killAtTheEnd(broker: Broker, sink: SinkKind, chance: Chance, count: number): Promise<Played[]> {
  const left = choose(sink, 'finish', chance, count).sort((one, other) => CELLS.indexOf(one) - CELLS.indexOf(other))
  const played: Played[] = []
  while (left.length > 0) {
    // A pause that never ends: all rows are left for the last checkpoint.
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

function choose(sink: SinkKind, phase: ReturnType<typeof phaseOf>, chance: Chance, count: number): Cell[] {
  const cells = CELLS.filter((cell) => phaseOf(cell) === phase && (!only || cellText(cell).startsWith(only)))
  if (isFull) return cells
  const reachable = cells.filter((cell) => whyUnreachable(cell, sink) === undefined)
  if (phase === 'finish') return chance.sample(reachable, count)
  return chance.sample(reachable, count).map((cell) => ({ ...cell, nth: 1 + chance.below(hitsOf(cell)) }))
}

/** Some steps are only taken when a commit goes wrong. */
async function makeTrouble(world: World, { name }: Cell): Promise<(() => Promise<void>) | undefined> {
  if (name === 'evidence') return await world.target.troubleCommits?.('garbled')
  if (name === 'decision.apply') return await world.target.troubleCommits?.('expired')
  return undefined
}
