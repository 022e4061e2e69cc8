import { keyLane } from '../../dataplane/key-groups.ts'
import type { Route } from './spreader.ts'

/** Bytes per second of one value, by the lane that reads them. */
export interface ValueRate {
  readonly value: string
  readonly read: readonly number[]
}

/** By value, the route of each sending lane. */
export type AllRoutes = ReadonlyMap<string, readonly Route[]>

export interface RouteOptions {
  readonly lanes: number
  /** A value of so many bytes per second fills a file in every lane: nothing is won by moving its rows. */
  readonly enough: number
}

/** Of a lane's fair share: a value above `hot` is scattered, and gathered again when it falls below `cool`. */
const HOT = 0.75
const COOL = 0.5

/** Of `enough`: a value that is large stays so until it falls below this. */
const LARGE_UNTIL = 0.5

/** Of a lane's fair share: a value moves to another lane when its own would have more than this. */
const FULL = 1.25

/** Of a lane's fair share: a lane that reads so little more than its part of a value keeps it all. */
const NEGLIGIBLE = 0.1

/**
 * Decides where rows go that may go anywhere, so that each value's rows come together in one lane, and no lane has much
 * more to write than another. A value with more than a lane's share is scattered: it levels what the others leave, and as
 * much of it as possible stays in the lane that reads it.
 */
export function decideRoutes(rates: readonly ValueRate[], before: AllRoutes, options: RouteOptions): AllRoutes {
  const { lanes } = options
  const total = rates.reduce((sum, { read }) => sum + added(read), 0)
  const share = total / lanes
  if (share === 0) return before
  const ordered = rates.toSorted((a, b) => added(b.read) - added(a.read) || (a.value < b.value ? -1 : 1))
  const scattered = new Set(ordered.filter((rate) => isScattered(rate, before.get(rate.value), share, options)))
  const load = Array.from({ length: lanes }, () => 0)
  const routes = new Map<string, readonly Route[]>()
  for (const rate of ordered) {
    if (scattered.has(rate)) continue
    const { value, read } = rate
    const lane = laneFor(value, added(read), before.get(value), load, share)
    load[lane] = (load[lane] ?? 0) + added(read)
    routes.set(
      value,
      senders(lanes, () => lane),
    )
  }
  const room = load.map((used) => Math.max(0, share - used))
  const rooms = added(room)
  for (const { value, read } of scattered) {
    const wanted = room.map((bytes) => (rooms === 0 ? added(read) / lanes : (bytes / rooms) * added(read)))
    routes.set(value, level(read, wanted, share * NEGLIGIBLE))
  }
  return routes
}

function isScattered(
  { read }: ValueRate,
  before: readonly Route[] | undefined,
  share: number,
  { lanes, enough }: RouteOptions,
): boolean {
  const rate = added(read)
  const was = before !== undefined && typeof before[0] !== 'number'
  return rate > share * (was ? COOL : HOT) || rate > enough * lanes * (was ? LARGE_UNTIL : 1)
}

/** The lane it had, or that of its hash, unless that would be too full. */
function laneFor(
  value: string,
  rate: number,
  before: readonly Route[] | undefined,
  load: readonly number[],
  share: number,
): number {
  const [had] = before ?? []
  const home = typeof had === 'number' ? had : keyLane(value, load.length)
  if ((load[home] ?? 0) + rate <= share * FULL) return home
  return load.indexOf(Math.min(...load))
}

/** Each lane keeps what it reads up to what it is to have; the rest goes to the lanes that lack some. */
function level(read: readonly number[], wanted: readonly number[], negligible: number): readonly Route[] {
  const lacking = wanted.map((bytes, lane) => Math.max(0, bytes - (read[lane] ?? 0)))
  const lack = added(lacking)
  return read.map((bytes, lane) => {
    const surplus = bytes - (wanted[lane] ?? 0)
    const moved = surplus <= negligible || lack === 0 ? 0 : surplus / bytes
    return lacking.map((missing, to) => (to === lane ? 1 - moved : moved === 0 ? 0 : (missing / lack) * moved))
  })
}

function senders<T>(lanes: number, of: (lane: number) => T): T[] {
  return Array.from({ length: lanes }, (_, lane) => of(lane))
}

function added(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}
