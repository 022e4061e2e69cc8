import { FAILPOINTS, type Failpoint, type FailpointPosition } from '../../core/failpoints.ts'
import type { Random } from './random.ts'

/** What strikes. */
export type Strike =
  | { readonly kind: 'kill' }
  /** SIGSTOP for a while; with a twin another instance is started meanwhile. */
  | { readonly kind: 'stop'; readonly ms: number; readonly twin: boolean }
  /** The step fails, as after a broken connection. */
  | { readonly kind: 'error' }
  | { readonly kind: 'start twin' }
  | { readonly kind: 'lane dies' }
  /** The next `calls` requests to servers, or their replies, are lost. */
  | { readonly kind: 'lose requests' | 'lose replies'; readonly calls: number }
  | { readonly kind: 'black hole'; readonly ms: number }
  | { readonly kind: 'slow network'; readonly ms: number }
  | { readonly kind: 'server restarts' }
  /** The server's timeout ends a prepared transaction. */
  | { readonly kind: 'prepared expires' }
  /** The server forgets the labels of what is finished. */
  | { readonly kind: 'labels evicted' }
  | { readonly kind: 'clock jumps'; readonly ms: number }
  | { readonly kind: 'split appears' }
  /** The machine dies: what was not synced may be gone or torn. */
  | { readonly kind: 'power cut' }
  | { readonly kind: 'disk full'; readonly ms: number }
  | { readonly kind: 'stop signal' }
  /** An operator goes back by so many checkpoints. */
  | { readonly kind: 'roll back'; readonly by: number }
  /** An operator keeps the newest confirmed checkpoint; one goes back to one of those that are kept. */
  | { readonly kind: 'savepoint' }
  | { readonly kind: 'back to savepoint' }
  /** Nothing more comes from the source. */
  | { readonly kind: 'input ends' }

/** When: at the next pass of a protocol step, or after a while. */
export type Trigger = { readonly at: Failpoint; readonly position: FailpointPosition } | { readonly afterMs: number }

export interface Fault {
  readonly when: Trigger
  readonly strike: Strike
}

export type StoreKind = 'disk' | 'bucket'

/** What decides which steps a job passes. */
export interface Passes {
  readonly store: StoreKind
  /** False where every sink shows its rows as they come, and nothing is left to commit. */
  readonly hasCommits: boolean
}

/** What random faults go by. */
export interface Setting extends Passes {
  /** The source has no end, and new splits. */
  readonly follow: boolean
}

const POSITIONS: readonly FailpointPosition[] = ['before', 'after', 'sent']

/** Steps that a running job passes again and again; the others belong to starts and ends. */
const STEADY: readonly Failpoint[] = [
  'chk.trigger',
  'chk.barrier',
  'sink.flush',
  'sink.prepare',
  'chk.ack',
  'store.manifest.write',
  'store.manifest.fsync',
  'store.manifest.publish',
  'store.dirsync',
  'commit',
  'commit.nth',
  'confirm',
  'ack.upstream',
  'gc.select',
  'gc.delete',
]
const START: readonly Failpoint[] = [
  'restore.claim',
  'restore.read',
  'restore.recommit',
  'restore.abort',
  'restore.seek',
  'evidence',
]

/** Where a step is passed at all: a fault that waits for a moment which never comes only costs time. */
function positionsOf(step: Failpoint, { store, hasCommits }: Passes): readonly FailpointPosition[] {
  switch (step) {
    case 'store.manifest.fsync':
    case 'store.dirsync':
      return store === 'disk' ? ['before', 'after'] : []
    case 'store.manifest.publish':
      return store === 'disk' ? ['before', 'after'] : POSITIONS
    case 'sink.prepare':
      return POSITIONS
    case 'commit':
      return hasCommits ? POSITIONS : []
    case 'commit.nth':
      return hasCommits ? ['after'] : []
    case 'evidence':
      return hasCommits ? ['before', 'after'] : []
    // The jobs here exchange no rows between lanes and keep no state.
    case 'chk.align':
    case 'store.blob':
      return []
    default:
      return ['before', 'after']
  }
}

/** Steps that only a process passes that has just begun. */
export function isOfStart(step: Failpoint): boolean {
  return step.startsWith('restore.')
}

/** Faults strike one after the other: each waits for its moment only when the one before has struck. */
export function randomFaults(random: Random, count: number, passes: Setting): Fault[] {
  // Some servers are worse than others.
  const forgets = !passes.hasCommits ? 0 : random.chance(0.2) ? 0.5 : 0.08
  const faults: Fault[] = []
  while (faults.length < count) {
    if (random.chance(forgets)) faults.push({ when: whilePrepared(random), strike: forgetful(random) })
    else faults.push(...randomFault(random, passes))
  }
  return faults.slice(0, count)
}

function randomFault(random: Random, passes: Setting): readonly Fault[] {
  const dice = random.next()
  if (dice < 0.55) {
    const when = stepOf(random, passes)
    if (when.at !== 'evidence') return [{ when, strike: processStrike(random) }]
    // Nobody asks for evidence unless there is a doubt; and what is asked for may be gone.
    return [doubt(random), { when, strike: random.chance(0.3) ? forgetful(random) : processStrike(random) }]
  }
  const strike = dice < 0.7 ? processStrike(random) : worldStrike(random, passes)
  return [{ when: { afterMs: random.between(0, 400) }, strike }]
}

type AtStep = Extract<Trigger, { readonly at: Failpoint }>

function stepOf(random: Random, passes: Passes): AtStep {
  for (;;) {
    const at = random.pick(random.chance(0.75) ? STEADY : START)
    const positions = positionsOf(at, passes)
    if (positions.length > 0) return { at, position: random.pick(positions) }
  }
}

/** A commit of which nobody hears what became of it. */
function doubt(random: Random): Fault {
  return { when: { at: 'commit', position: 'before' }, strike: { kind: 'lose replies', calls: random.between(1, 4) } }
}

/** Moments at which something is prepared, published or not. */
function whilePrepared(random: Random): Trigger {
  const at = random.pick(['chk.ack', 'store.manifest.publish', 'commit', 'restore.recommit'] as const)
  return { at, position: random.pick(['before', 'after']) }
}

function forgetful(random: Random): Strike {
  return { kind: random.chance(0.6) ? 'prepared expires' : 'labels evicted' }
}

function processStrike(random: Random): Strike {
  const dice = random.next()
  if (dice < 0.5) return { kind: 'kill' }
  if (dice < 0.75) return { kind: 'stop', ms: random.pick([30, 600, 5000]), twin: random.chance(0.7) }
  return dice < 0.9 ? { kind: 'error' } : { kind: 'start twin' }
}

function worldStrike(random: Random, { follow }: Setting): Strike {
  switch (random.between(0, 12)) {
    case 0:
    case 1:
      return { kind: 'lose requests', calls: random.between(1, 6) }
    case 2:
    case 3:
      return { kind: 'lose replies', calls: random.between(1, 6) }
    case 4:
      return { kind: 'black hole', ms: random.pick([300, 3000]) }
    case 5:
      return { kind: 'server restarts' }
    case 6:
      return forgetful(random)
    case 7:
      return { kind: 'clock jumps', ms: random.pick([-3_600_000, 3_600_000, -315_360_000_000, 315_360_000_000]) }
    case 8:
      return { kind: follow ? 'split appears' : 'savepoint' }
    case 9:
      return { kind: 'power cut' }
    case 10:
      return random.chance(0.25) ? goingBack(random, follow) : { kind: 'stop signal' }
    case 11:
      return random.chance(0.5)
        ? { kind: 'disk full', ms: random.between(50, 1500) }
        : { kind: 'slow network', ms: 500 }
    default:
      return { kind: random.chance(0.5) ? 'lane dies' : 'stop signal' }
  }
}

function goingBack(random: Random, follow: boolean): Strike {
  const by = random.between(1, 2)
  return follow || by === 1 ? { kind: 'roll back', by } : { kind: 'back to savepoint' }
}

/** Every step of the protocol with every position and each way to strike a process there, for systematic runs. */
export function everyCell(passes: Passes): Fault[] {
  const strikes: readonly Strike[] = [{ kind: 'kill' }, { kind: 'stop', ms: 2500, twin: true }, { kind: 'error' }]
  return FAILPOINTS.flatMap((at) =>
    positionsOf(at, passes).flatMap((position) => strikes.map((strike) => ({ when: { at, position }, strike }))),
  )
}

/** What has to happen for a step to be passed at all, where a job that nobody disturbs never comes there. */
export function leadingTo({ when }: Fault): readonly Fault[] {
  const at = 'at' in when ? when.at : ''
  const soon = { afterMs: 350 }
  if (at === 'evidence') {
    return [{ when: { at: 'commit', position: 'before' }, strike: { kind: 'lose replies', calls: 2 } }]
  }
  if (at === 'savepoint.copy') return [{ when: soon, strike: { kind: 'savepoint' } }]
  if (at === 'decision.apply') return [{ when: { afterMs: 900 }, strike: { kind: 'roll back', by: 1 } }]
  return at.startsWith('final.') ? [{ when: soon, strike: { kind: 'input ends' } }] : []
}

export function describeFault({ when, strike }: Fault): string {
  const moment = 'at' in when ? `at ${when.at}:${when.position}` : `after ${when.afterMs} ms`
  const { kind, ...detail } = strike
  const words = Object.entries(detail).map(([name, value]) => `${name} ${String(value)}`)
  return `${moment}: ${kind}${words.length === 0 ? '' : ` (${words.join(', ')})`}`
}
