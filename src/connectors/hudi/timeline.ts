import type { FileStore } from '../../core/file-store.ts'
import { type Instant, nextInstant } from './instant.ts'
import { parseTimelineFileName, TIMELINE_FOLDER, timelinePath, type InstantState } from './timeline-file.ts'

/** One instant with the furthest state that it has reached. */
export interface TimelineInstant {
  readonly time: Instant
  readonly action: string
  readonly state: InstantState
  /** Which of its files exist. */
  readonly files: readonly InstantState[]
}

/** Actions that add data files. */
const WRITE_ACTIONS: ReadonlySet<string> = new Set(['commit', 'deltacommit', 'replacecommit'])

const ORDER: readonly InstantState[] = ['requested', 'inflight', 'completed']

/** The active timeline as it was when it was read. Instants ascend. */
export class Timeline {
  readonly instants: readonly TimelineInstant[]

  constructor(instants: readonly TimelineInstant[]) {
    this.instants = instants.toSorted((a, b) => compareInstants(a.time, b.time))
  }

  /** The commit, or whatever else has this time. */
  find(time: Instant, action: string = 'commit'): TimelineInstant | undefined {
    return this.instants.find((instant) => instant.time === time && instant.action === action)
  }

  get newest(): Instant | undefined {
    return this.instants.at(-1)?.time
  }

  /** The oldest instant of all that add files: what is older may have been archived. */
  get firstWrite(): Instant | undefined {
    return this.instants.find((instant) => WRITE_ACTIONS.has(instant.action))?.time
  }

  get completedWrites(): readonly TimelineInstant[] {
    return this.instants.filter((instant) => WRITE_ACTIONS.has(instant.action) && instant.state === 'completed')
  }

  get pendingWrites(): readonly TimelineInstant[] {
    return this.instants.filter((instant) => WRITE_ACTIONS.has(instant.action) && instant.state !== 'completed')
  }

  /** The oldest instant of whatever action that is not completed. */
  get oldestPending(): Instant | undefined {
    return this.instants.find((instant) => instant.state !== 'completed')?.time
  }

  get savepoints(): readonly Instant[] {
    return this.instants.filter(({ action }) => action === 'savepoint').map(({ time }) => time)
  }

  get pendingRollbacks(): readonly TimelineInstant[] {
    return this.instants.filter((instant) => instant.action === 'rollback' && instant.state !== 'completed')
  }

  /** A free instant, after everything on this timeline and after `last`, the last one that we handed out. */
  next(nowMs: number, last?: Instant): Instant {
    const newest = [this.newest, last].filter((time) => time !== undefined).toSorted(compareInstants)
    return nextInstant(nowMs, newest.at(-1))
  }
}

/** The instants whose time begins with `start`, by default all. */
export async function loadTimeline(store: FileStore, start: string = ''): Promise<Timeline> {
  const states = new Map<string, { time: Instant; action: string; files: Set<InstantState> }>()
  // Instants begin with the digits of a year, or with zeros (bootstrap): two short listings instead of one that
  // would walk through markers and archives as well.
  for (const prefix of start === '' ? ['0', '1', '2'] : [start]) {
    for await (const { path } of store.list(TIMELINE_FOLDER + prefix)) {
      const file = parseTimelineFileName(path.slice(TIMELINE_FOLDER.length))
      if (file === undefined) continue
      const key = `${file.time}.${file.action}`
      const known = states.get(key)
      if (known === undefined) states.set(key, { time: file.time, action: file.action, files: new Set([file.state]) })
      else known.files.add(file.state)
    }
  }
  return new Timeline([...states.values()].map(furthest))
}

/** The bytes of one state of an instant; `undefined` when that file does not exist. */
export async function readInstant(
  store: FileStore,
  instant: Pick<TimelineInstant, 'time' | 'action'>,
  state: InstantState,
): Promise<Uint8Array | undefined> {
  return await store.read(timelinePath({ time: instant.time, action: instant.action, state }))
}

export function compareInstants(a: Instant, b: Instant): number {
  const [left, right] = [a.padEnd(17, '9'), b.padEnd(17, '9')]
  if (left === right) return 0
  return left < right ? -1 : 1
}

function furthest(of: { time: Instant; action: string; files: Set<InstantState> }): TimelineInstant {
  const files = ORDER.filter((state) => of.files.has(state))
  return { time: of.time, action: of.action, state: files.at(-1) ?? 'requested', files }
}
