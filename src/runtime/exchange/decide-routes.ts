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
  /** A value of so many bytes per second and lane fills a file in every lane: nothing is won by moving its rows. */
  readonly enough: number
}

/** Of a lane's fair share: whole values fill a lane no further. */
const FULL = 1.25
/** The same for a value that is scattered: it is gathered again only where there is this much room. */
const FULL_FOR_SCATTERED = 1

/** Of `enough`: a value that is large stays so until it falls below this. */
const LARGE_UNTIL = 0.5

/** Of a lane's part of a value: a lane that reads so little more keeps it all. */
const NEGLIGIBLE = 0.1

/**
 * Decides where rows go that may go anywhere, so that each value's rows come together in one lane, and no lane has much
 * more to write than another. A value that fits into no lane is scattered: it levels what the others leave, and as much of
 * it as possible stays in the lane that reads it.
 */
export function decideRoutes(rates: readonly ValueRate[], before: AllRoutes, options: RouteOptions): AllRoutes {
  const { lanes } = options
  const share = rates.reduce((sum, { read }) => sum + added(read), 0) / lanes
  if (share === 0) return before
  const load = Array.from({ length: lanes }, () => 0)
  const routes = new Map<string, readonly Route[]>()
  const scattered: ValueRate[] = []
  for (const rate of rates.toSorted((a, b) => added(b.read) - added(a.read) || (a.value < b.value ? -1 : 1))) {
    const bytes = added(rate.read)
    const had = before.get(rate.value)
    const lane = isLarge(bytes, had, options) ? undefined : laneFor(rate.value, bytes, had, load, share)
    if (lane === undefined) {
      scattered.push(rate)
      continue
    }
    load[lane] = (load[lane] ?? 0) + bytes
    const route = Array.from({ length: lanes }, () => lane)
    routes.set(rate.value, route)
  }
  const room = load.map((used) => Math.max(0, share - used))
  const rooms = added(room)
  for (const { value, read } of scattered) {
    const bytes = added(read)
    const wanted = room.map((free) => (rooms === 0 ? bytes / lanes : (free / rooms) * bytes))
    routes.set(value, level(read, wanted, (bytes / lanes) * NEGLIGIBLE))
  }
  return routes
}

function isLarge(bytes: number, had: readonly Route[] | undefined, { lanes, enough }: RouteOptions): boolean {
  return bytes > enough * lanes * (wasScattered(had) ? LARGE_UNTIL : 1)
}

/** The lane it had, or that of its hash; the emptiest one where that would be too full; none where every one would. */
function laneFor(
  value: string,
  bytes: number,
  had: readonly Route[] | undefined,
  load: readonly number[],
  share: number,
): number | undefined {
  const limit = share * (wasScattered(had) ? FULL_FOR_SCATTERED : FULL)
  const fits = (lane: number): boolean => (load[lane] ?? 0) + bytes <= limit
  const [before] = had ?? []
  const home = typeof before === 'number' ? before : keyLane(value, load.length)
  if (fits(home)) return home
  const emptiest = load.indexOf(Math.min(...load))
  return fits(emptiest) ? emptiest : undefined
}

function wasScattered(had: readonly Route[] | undefined): boolean {
  return had !== undefined && typeof had[0] !== 'number'
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

function added(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}
