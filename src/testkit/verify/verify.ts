import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Plan } from '../../plan/plan.ts'
import { makeInputs, type RowsFrom } from './inputs.ts'
import { playGroup, type Outcome } from './play.ts'
import { notPlayed, playsFor, type Play } from './plays.ts'
import { digestOf, type SeenRows } from './read-sinks.ts'
import { openGivenTable } from './given-table.ts'
import { openGivenTopic } from './given-topic.ts'
import type { GivenTarget } from './scratch.ts'
import { buildStandIn, replacements, type GivenTargets, type Inputs } from './stand-in.ts'

export interface VerifyOptions {
  readonly value: JsonObject
  readonly plan: Plan
  /** The command line's main file: every play runs it in a process of its own. */
  readonly program: string
  readonly rows: number
  readonly seed: number
  /** Where rows come from; default: `generated`. */
  readonly rowsFrom?: RowsFrom | undefined
  /** Records of each source that is really read. */
  readonly limit?: number | undefined
  /** Only faults at steps that hold this text. */
  readonly only?: string | undefined
  /** Plays at the same time. */
  readonly width: number
  /** SQL sinks are played on their own server. */
  readonly onServers?: boolean | undefined
  /** Of sinks: an empty table or topic on their own server to play in. */
  readonly scratch?: ReadonlyMap<string, string> | undefined
  /** Of StarRocks and Doris: where tables are read. */
  readonly queryUrl?: string | undefined
  readonly signal: AbortSignal
  played(done: number, all: number): void
}

export interface Verified {
  readonly outcomes: readonly Outcome[]
  readonly rows: number
  /** Parts that were played by something else. */
  readonly replaced: readonly string[]
  /** Faults that nothing here can make. */
  readonly notPlayed: readonly string[]
  readonly sinks: readonly { readonly sink: string; readonly rows: number; readonly digest: string }[]
}

const LIMIT = 1000

/** Runs the pipeline once undisturbed, then once for every fault, each time from nothing, and compares. */
export async function verify(options: VerifyOptions): Promise<Verified> {
  const { played, signal } = options
  await using stack = new AsyncDisposableStack()
  const given = await openGiven(options, stack)
  // One table or topic serves one play at a time.
  const width = given.size > 0 ? 1 : options.width
  const root = await mkdtemp(path.join(tmpdir(), 'millrace-verify-'))
  try {
    const { plan, rows: generated, seed, rowsFrom = 'generated', limit = LIMIT } = options
    const directory = path.join(root, 'inputs')
    const inputs = await makeInputs({ plan, directory, rows: generated, seed, rowsFrom, limit })
    const playing = { ...options, given, inputs }
    const undisturbed = await playIn(path.join(root, 'clean'), [{ kind: 'clean' }], playing)
    const { seen: expected, rows } = undisturbed
    refuseEmpty(undisturbed.outcomes, expected)
    const groups = playsFor(plan, options.only, new Set(given.keys()))
    const outcomes: Outcome[][] = []
    const waiting = [...groups.entries()]
    const all = groups.flat().length
    const one = async (index: number, plays: readonly Play[]): Promise<Outcome[]> => {
      const directory = path.join(root, String(index))
      const { outcomes: found } = await playIn(directory, plays, playing, expected)
      if (plays.length === 1 || found.every(({ result }) => result !== 'broken')) return [...found]
      // One of them broke it: each again, alone.
      const alone: Outcome[] = []
      for (const play of plays) alone.push(...(await playIn(directory, [play], playing, expected)).outcomes)
      return alone
    }
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) {
        const [index, plays] = next
        outcomes[index] = await one(index, plays)
        played(outcomes.flat().length, all)
      }
    }
    await Promise.all(Array.from({ length: width }, worker))
    if (signal.aborted) throw new MillraceError('stopped before every fault was played', { code: 'INTERRUPTED' })
    const sinks = [...expected].map(([sink, lines]) => ({ sink, rows: sum(lines), digest: digestOf(lines) }))
    return {
      outcomes: [...undisturbed.outcomes, ...outcomes.flat()],
      rows,
      sinks,
      replaced: replacements(plan, inputs, given),
      notPlayed: notPlayed(plan, new Set(given.keys())),
    }
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

type Playing = VerifyOptions & { readonly given: GivenTargets; readonly inputs: Inputs }

/** What the user named to play in, looked at before anything runs. */
async function openGiven(
  { plan, scratch = new Map(), queryUrl }: VerifyOptions,
  stack: AsyncDisposableStack,
): Promise<GivenTargets> {
  const given = new Map<string, GivenTarget>()
  for (const [id, target] of scratch) {
    const step = plan.steps.find((one) => one.kind === 'sink' && one.id === id)
    const { baseDirectory } = plan
    if (step?.kind !== 'sink')
      throw new MillraceError(`--scratch ${id}=${target}: the pipeline has no sink ${id}`, { code: 'CONFIG' })
    if (step.connector === 'kafka') given.set(id, stack.use(await openGivenTopic(step, target, baseDirectory)))
    else if (step.connector === 'starrocks' || step.connector === 'doris')
      given.set(id, stack.use(await openGivenTable(step, target, { baseDirectory, queryUrl })))
    else
      throw new MillraceError(
        `--scratch ${id}=${target}: a place can be given to sinks of starrocks, doris and kafka; ${id} is a ${step.connector}`,
        { code: 'CONFIG' },
      )
  }
  return given
}

async function playIn(
  directory: string,
  plays: readonly Play[],
  { value, plan, program, onServers = false, given, inputs }: Playing,
  expected?: SeenRows,
): Promise<{ outcomes: readonly Outcome[]; seen: SeenRows; rows: number }> {
  await mkdir(directory, { recursive: true })
  await using standIn = await buildStandIn({ directory, value, plan, inputs, onServers, given })
  const { seen, outcomes } = await playGroup(plays, { standIn, plan, program, expected })
  await rm(directory, { recursive: true, force: true })
  return { outcomes, seen, rows: standIn.rows }
}

/** A pipeline that cannot even run undisturbed, or lets nothing through, proves nothing. */
function refuseEmpty([clean]: readonly Outcome[], seen: SeenRows): void {
  if (clean?.why !== undefined) {
    throw new MillraceError(`the pipeline does not come through undisturbed: ${clean.why}`, {
      code: 'MISMATCH',
    })
  }
  const empty = [...seen].filter(([, lines]) => lines.size === 0).map(([sink]) => sink)
  if (empty.length > 0) {
    throw new MillraceError(
      `none of the rows reached ${empty.join(', ')}: there is nothing to compare. More rows (--rows) or another ` +
        'seed (--seed) may pass its filters',
      { code: 'MISMATCH' },
    )
  }
}

function sum(lines: ReadonlyMap<string, number>): number {
  let all = 0
  for (const count of lines.values()) all += count
  return all
}
