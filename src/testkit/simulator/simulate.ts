import type { Plan, SinkStep } from '../../plan/plan.ts'
import { watchFailpoints } from '../../core/failpoints.ts'
import { everyCell, leadingTo, randomFaults, type Fault, type StoreKind } from './faults.ts'
import type { ServerOfFamily } from './model-server.ts'
import { anyProcess } from './process.ts'
import { Random } from './random.ts'
import { ControlServer } from './sinks/control-row.ts'
import { TimelineServer } from './sinks/instant-table.ts'
import { KeepingServer } from './sinks/kept-loads.ts'
import { UpsertServer } from './sinks/keyed-upsert.ts'
import { LogServer } from './sinks/transaction-log.ts'
import { LoadServer } from './sinks/two-phase.ts'
import { World } from './world.ts'

/** The families of sinks, each a model of a kind of server. */
export const FAMILIES: Readonly<Record<string, ServerOfFamily>> = {
  'two-phase': (audit) => new LoadServer(audit),
  'kept-loads': (audit) => new KeepingServer(audit),
  'instant-table': (audit) => new TimelineServer(audit),
  'transaction-log': (audit) => new LogServer(audit),
  'control-row': (audit) => new ControlServer(audit),
  'keyed-upsert': (audit) => new UpsertServer(audit),
}

/** Of this family nothing is left to commit when a checkpoint is published. */
const SHOWS_AT_ONCE = 'keyed-upsert'

export interface Schedule {
  readonly seed: number
  readonly family: string
  readonly lanes: number
  readonly splits: number
  readonly follow: boolean
  /** Readers that hardly rest: more is under way whenever a fault strikes, and a schedule takes longer to play. */
  readonly isBusy?: boolean
  /** A second sink, of another family, that gets the same rows. */
  readonly also?: string
  /** All lanes feed one writer of each sink: in the corpus only, random schedules do without. */
  readonly isShared?: boolean
  /** Where the checkpoint log is; on a disk where nothing is said. */
  readonly store?: StoreKind
  readonly faults: readonly Fault[]
}

export interface Outcome {
  readonly schedule: Schedule
  readonly violations: readonly string[]
  /** Equal for two runs of one schedule. */
  readonly hash: string
  /** Faults that found their moment. */
  readonly struck: number
  readonly virtualMs: number
  /** Names of what is left open or prepared at the servers. */
  readonly residue: readonly string[]
  readonly story: readonly string[]
}

/** Everything about a schedule follows from its seed. */
export function scheduleOf(seed: number, faultCount: number): Schedule {
  const random = new Random(seed)
  const family = random.pick(Object.keys(FAMILIES))
  const also = random.chance(0.15) ? anotherThan(random, family) : undefined
  const store = random.chance(0.25) ? 'bucket' : 'disk'
  const hasCommits = family !== SHOWS_AT_ONCE || also !== undefined
  const [lanes, splits] = [random.between(1, 3), random.between(1, 3)]
  const [follow, isBusy] = [random.chance(0.5), random.chance(0.25)]
  const faults = randomFaults(random, faultCount, { store, hasCommits, follow })
  return { seed, family, lanes, splits, follow, isBusy, store, ...(also === undefined ? {} : { also }), faults }
}

function anotherThan(random: Random, family: string): string {
  return random.pick(Object.keys(FAMILIES).filter((name) => name !== family))
}

/** Every protocol step, position and strike that there is, with every family of sinks. */
const cells = Object.keys(FAMILIES).flatMap((family) =>
  everyCell({ store: 'disk', hasCommits: family !== SHOWS_AT_ONCE }).map((cell) => ({ family, cell })),
)
export const CELLS: number = cells.length

/** The cell with this number: its fault strikes three times, at different ages of the job. */
export function everyCellSchedule(index: number): Schedule {
  const found = cells[index]
  if (found === undefined) throw new RangeError(`there are ${CELLS} cells, not ${index}`)
  const { family, cell } = found
  const strikes: readonly Fault[] = [...leadingTo(cell), cell]
  const kill: Fault = { when: { afterMs: 300 }, strike: { kind: 'kill' } }
  const stop: Fault = { when: { afterMs: 450 }, strike: { kind: 'stop signal' } }
  const endsInput = strikes.some(({ strike }) => strike.kind === 'input ends')
  const faults = [...strikes, kill, ...strikes, stop, ...strikes]
  return { seed: index, family, lanes: 2, splits: 2, follow: !endsInput && index % 2 === 0, faults }
}

/** Plays one schedule. One at a time: the protocol steps of all processes are heard through one ear. */
export async function simulate(schedule: Schedule, keepStory = false): Promise<Outcome> {
  const { seed, family, lanes, splits, follow, isBusy = false, isShared = false, store = 'disk', faults } = schedule
  const families = [family, ...(schedule.also === undefined ? [] : [schedule.also])]
  const servers = Object.fromEntries(families.map((name) => [name, serverOf(name)]))
  const plan = simulatedPlan(families, lanes, follow, isShared)
  const world = new World({
    seed,
    plan,
    connectors: modules(families),
    servers,
    splits,
    isBusy,
    store,
    faults,
    keepStory,
  })
  watchFailpoints((name, position) => anyProcess()?.failpoint(name, position))
  try {
    await world.live()
  } finally {
    watchFailpoints(undefined)
  }
  const { story, struck, time } = world
  return {
    schedule,
    violations: world.violations,
    hash: story.hash,
    struck,
    virtualMs: time.now,
    residue: world.servers.unfinished(),
    story: story.lines,
  }
}

function serverOf(family: string): ServerOfFamily {
  const server = FAMILIES[family]
  if (server === undefined) throw new RangeError(`there is no sink family ${family}`)
  return server
}

function modules(families: readonly string[]): Readonly<Record<string, string>> {
  const sinks = families.map((name) => [name, new URL(`./sinks/${name}.ts`, import.meta.url).href] as const)
  return { numbered: new URL('./source.ts', import.meta.url).href, ...Object.fromEntries(sinks) }
}

function simulatedPlan(families: readonly string[], lanes: number, follow: boolean, isShared: boolean): Plan {
  const delivery = { class: 'atomic', reason: 'a model', assumptions: [] } as const
  const body = isShared ? ({ kind: 'bytes', format: 'json', separator: 0x0a } as const) : ({ kind: 'rows' } as const)
  return {
    name: 'job',
    was: [],
    parallelism: lanes,
    delivery,
    mode: 'two-phase',
    times: { intervalMs: 200, timeoutMs: 3000, maxDowntimeMs: 3_600_000, retained: 3 },
    storage: '/state',
    baseDirectory: '/',
    fingerprint: 'simulated',
    findings: [],
    steps: [
      {
        kind: 'source',
        id: 'numbers',
        connector: 'numbered',
        options: { follow, lines: isShared },
        bounded: !follow,
        schema: undefined,
        gives: body,
        format: 'json',
        metadata: [],
        delivery,
        outputs: families.map((to) => ({ to })),
      },
      ...families.map((family): SinkStep => ({
        kind: 'sink',
        id: family,
        connector: family,
        options: {},
        takes: body,
        schema: undefined,
        writers: isShared ? 1 : 'lanes',
        delivery,
      })),
    ],
  }
}
