import {
  afterTrial,
  countRecords,
  nextTrial,
  startBisection,
  type Bisection,
  type RecordRange,
  type Verdict,
} from '../checkpoint/bisect.ts'
import { errorFromData, MillraceError, toMillraceError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { HandedRecords, TrialRanges } from './handed-records.ts'
import type { SplitAssignment } from '../core/source.ts'
import type { Diversions } from './diverter.ts'
import { Leftovers } from './leftovers.ts'
import type { FromLane, LaneAck, ToLane } from './messages.ts'
import type { RunOptions } from './run-options.ts'

/** After this long the smallest range found so far is named. */
const SEARCH_MS = 60_000

const HICCUP_MS = 1000

export type SearchOptions = Pick<
  RunOptions,
  'plan' | 'lanes' | 'sinks' | 'sources' | 'ledger' | 'swept' | 'clock' | 'logger'
>

/** Where the records of a trial stand, as the lanes saw them. */
type Places = readonly HandedRecords[]

/** True for a refusal that does not say which record it is about. */
export function isUnplaced({ code, detail }: MillraceError): boolean {
  return code === 'POISON' && !['offset', 'byte', 'row', 'records', 'file', 'split'].some((name) => name in detail)
}

/**
 * Names the record that a server refused with words like "too many filtered rows": the records since the last published
 * checkpoint are read again and offered in halves. Each trial runs under an epoch of its own and is always rolled back,
 * so that nothing of it can become visible. Where rows are committed as they are written (at-least-once) nothing can be
 * rolled back, so nothing is tried: then all that was read since that checkpoint is named.
 */
export class PoisonSearch {
  readonly #options: SearchOptions
  readonly #checkpoint: number
  readonly #divert: Diversions
  #found: RecordRange | undefined
  #trial: Trial | undefined

  /**
   * @param checkpoint the one that was refused; nothing from it on is published.
   * @param divert records that are known to be refused: they are not among those that are offered.
   */
  constructor(options: SearchOptions, checkpoint: number, divert: Diversions = {}) {
    this.#options = options
    this.#divert = divert
    this.#checkpoint = checkpoint
  }

  /** The one record that is refused by itself, by its number among those that were handed on. */
  get found(): RecordRange | undefined {
    return this.#found
  }

  hear(message: FromLane): void {
    this.#trial?.hear(message)
  }

  /** The error to end with: the server's reason, and the place. Takes the lanes over and leaves them at rest. */
  async place(refusal: MillraceError, handed: readonly HandedRecords[]): Promise<MillraceError> {
    const { clock, logger, ledger, plan } = this.#options
    const leftovers = new Leftovers(this.#options)
    let bisection = startBisection(this.#rangesOf(handed))
    if (plan.mode !== 'two-phase') return placed(refusal, bisection, [])
    let places: Places = []
    const records = countRecords(bisection.suspects)
    logger.warn(
      `a record of checkpoint ${this.#checkpoint} is refused: looking for it among ${records} records. ` +
        'They are sent again in parts that are always rolled back.',
    )
    const deadline = clock.now() + SEARCH_MS
    try {
      for (let ranges = nextTrial(bisection); ranges !== undefined; ranges = nextTrial(bisection)) {
        if (clock.now() >= deadline) break
        const tried = await this.#try(ranges, deadline).catch((thrown: unknown) => this.#hiccup(thrown, deadline))
        if (tried === undefined) continue
        if (tried.verdict === 'refused') places = tried.places
        bisection = afterTrial(bisection, tried.verdict)
      }
    } catch (thrown) {
      logger.warn(`the search for the refused record ends early: ${toMillraceError(thrown).message}`)
    }
    const [only] = bisection.refused
    if (bisection.isTried && countRecords(bisection.refused) === 1) this.#found = only
    // What a trial left all the same is found by its epoch.
    await ledger.reclaim().then(
      () => leftovers.sweep(),
      () => undefined,
    )
    return placed(refusal, bisection, places)
  }

  /** A trial that came to no verdict is made again after a pause; what cannot be helped ends the search. */
  async #hiccup(thrown: unknown, deadline: number): Promise<undefined> {
    const error = toMillraceError(thrown)
    const { clock, logger } = this.#options
    if (error.retry === 'halt' || clock.now() >= deadline) throw error
    logger.warn(`looking for the refused record: ${error.message} Trying again.`)
    await clock.sleep(HICCUP_MS)
  }

  /** What the lanes handed on into checkpoints that are not published, split by split. */
  #rangesOf(handed: readonly HandedRecords[]): RecordRange[] {
    const ranges = new Map<string, RecordRange>()
    for (const { checkpoint, source, split, records } of handed) {
      if (checkpoint < this.#checkpoint) continue
      const key = `${source}\n${split}`
      const to = (ranges.get(key)?.to ?? 0) + records
      ranges.set(key, { source, split, from: 0, to })
    }
    // In one order, so that a second start finds the same record.
    return [...ranges.values()].sort((a, b) => (`${a.source}\n${a.split}` < `${b.source}\n${b.split}` ? -1 : 1))
  }

  async #try(ranges: readonly RecordRange[], deadline: number): Promise<{ verdict: Verdict; places: Places }> {
    const { ledger, lanes, sinks, sources, plan, clock } = this.#options
    await ledger.reclaim()
    const attempt = ledger.epoch
    const checkpoint = this.#checkpoint
    const [tickets, next] = await Promise.all([sinks.begin(checkpoint, attempt), sinks.begin(checkpoint + 1, attempt)])
    const trial = new Trial(attempt, plan.parallelism)
    this.#trial = trial
    lanes.send((lane) => ({
      kind: 'start',
      attempt,
      checkpoint,
      tickets,
      ...offer(ranges, sources.assignments(lane)),
      state: ledger.lineage().newest?.state,
      divert: this.#divert,
    }))
    const inTime = clock.after(Math.max(0, deadline - clock.now()), () => trial.giveUp())
    try {
      await trial.drained
      lanes.send(() => ({
        kind: 'barrier',
        checkpoint,
        next: { checkpoint: checkpoint + 1, tickets: next },
        last: true,
      }))
      await trial.acked
      return { verdict: 'accepted', places: [] }
    } catch (thrown) {
      const error = toMillraceError(thrown)
      if (error.code !== 'POISON') throw error
      return { verdict: 'refused', places: await this.#rollBack(trial) }
    } finally {
      inTime()
      await this.#rollBack(trial)
    }
  }

  /** Nothing of a trial is ever published: what is open goes with the lanes' halt, what is prepared is aborted by name. */
  async #rollBack(trial: Trial): Promise<Places> {
    const { lanes, sinks, ledger } = this.#options
    if (this.#trial !== trial) return []
    this.#trial = undefined
    const handed = await lanes.halt()
    const parts: Record<string, JsonObject[]> = {}
    for (const sink of sinks.coordinators.keys())
      parts[sink] = trial.acks.flatMap((ack) => ack.committables[sink] ?? [])
    const prepared = await sinks.combine(this.#checkpoint, ledger.epoch, parts)
    // What is not aborted here is swept at the end of the search.
    for (const { sink, committable } of prepared) await sinks.coordinators.get(sink)?.abort(committable)
    return handed.filter((one) => one.first !== undefined)
  }
}

/** One trial as its lanes tell of it. */
class Trial {
  readonly acks: LaneAck[] = []
  readonly #attempt: number
  readonly #lanes: number
  readonly #drained = Promise.withResolvers<void>()
  readonly #acked = Promise.withResolvers<void>()
  #drainedLanes = 0

  constructor(attempt: number, lanes: number) {
    this.#attempt = attempt
    this.#lanes = lanes
    for (const { promise } of [this.#drained, this.#acked]) promise.catch(() => undefined)
  }

  get drained(): Promise<void> {
    return this.#drained.promise
  }

  get acked(): Promise<void> {
    return this.#acked.promise
  }

  hear(message: FromLane): void {
    if (!('attempt' in message) || message.attempt !== this.#attempt) return
    if (message.kind === 'failed') this.#fail(errorFromData(message.error))
    if (message.kind === 'drained' && ++this.#drainedLanes === this.#lanes) this.#drained.resolve()
    if (message.kind === 'acked' && this.acks.push(message.ack) === this.#lanes) this.#acked.resolve()
  }

  giveUp(): void {
    this.#fail(new MillraceError(`it took more than ${SEARCH_MS / 1000} s`, { code: 'UNAVAILABLE', retry: 'restart' }))
  }

  #fail(error: MillraceError): void {
    this.#drained.reject(error)
    this.#acked.reject(error)
  }
}

/** The part of a trial that falls to a lane: the splits that it reads, and which of their records it hands on. */
function offer(
  ranges: readonly RecordRange[],
  assigned: Readonly<Record<string, readonly SplitAssignment[]>>,
): Pick<ToLane & { kind: 'start' }, 'assignments'> & { trial: Record<string, TrialRanges> } {
  const assignments: Record<string, SplitAssignment[]> = {}
  const trial: Record<string, Record<string, { from: number; to: number }>> = {}
  for (const { source, split: id, from, to } of ranges) {
    const split = assigned[source]?.find((one) => one.split === id)
    if (split === undefined) continue
    ;(assignments[source] ??= []).push({ ...split, isTraced: true })
    ;(trial[source] ??= {})[id] = { from, to }
  }
  return { assignments, trial }
}

/** The refusal with the place of the record, or of the smallest range that is known to hold it. */
function placed(refusal: MillraceError, { refused }: Bisection, places: Places): MillraceError {
  const records = countRecords(refused)
  if (records === 0) return refusal
  const ranges = refused.map((range) => {
    const seen = places.find(({ source, split }) => source === range.source && split === range.split)
    const { first, last } = seen ?? {}
    return { ...range, ...(first && { first }), ...(last && { last }) }
  })
  const [only] = ranges
  const isOne = records === 1 && only?.first !== undefined
  const where = isOne
    ? `the record at ${placeText(only.source, only.first ?? {})}`
    : `one of ${records} records: ${ranges.map(rangeText).join('; ')}`
  return new MillraceError(`${refusal.message}. It refuses ${where}.`, {
    code: refusal.code,
    retry: 'halt',
    cause: refusal,
    detail: { ...refusal.detail, ...(isOne ? { source: only.source, ...only.first } : {}), ranges },
  })
}

function rangeText({
  source,
  split,
  from,
  to,
  first,
  last,
}: RecordRange & { first?: JsonObject; last?: JsonObject }): string {
  if (first !== undefined && last !== undefined) return `${placeText(source, first)} to ${pointText(last)}`
  return `${source}: split ${split}, records ${from} to ${to - 1} after the last checkpoint`
}

function placeText(source: string, place: JsonObject): string {
  return `${source}: split ${String(place['split'])}, ${pointText(place)}`
}

/** Sources that count bytes count records as well. */
function pointText({ offset, row, recordInBatch, from }: JsonObject): string {
  if (offset !== undefined && row !== undefined) return `byte ${String(offset)}, record ${String(row)}`
  if (offset !== undefined) return `offset ${String(offset)}`
  if (row !== undefined) return `record ${String(row)}`
  return `number ${String(recordInBatch)} after ${JSON.stringify(from)}`
}
