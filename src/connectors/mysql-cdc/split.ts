import type { TableId } from '../../core/changes.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { joiningOf, logReadsOf, type Joining, type LogReads } from './log-reads.ts'
import { isObject, placeOf, unreadable, type Place } from './stored-place.ts'

/** The one split that follows the log. */
export const LOG_SPLIT = 'log'

/** Part of a table for its initial rows: those whose first column of the key is in [from, to). */
export interface ChunkSpec {
  readonly kind: 'chunk'
  readonly database: string
  readonly table: string
  /** SQL literals; null: no bound. */
  readonly from: string | null
  readonly to: string | null
  /** All chunks of a start read the state of the table here; the log is read from here on. */
  readonly place: Place
  /** The shape that the table had when it was dealt out: rows of another one would not be those of that place. */
  readonly shape: string
  /** What `tables` was at a first start. */
  readonly wanted?: readonly string[]
  /** Read beside a log that others have been following. */
  readonly joining?: Joining
}

/** The next row of a chunk: the one behind the key `after`, given as SQL literals. */
export interface ChunkPosition {
  readonly after: readonly string[] | null
  /** With the final position: where the log goes on, and the shape that the rows had. */
  readonly place?: Place
  readonly shape?: string
  readonly wanted?: readonly string[]
  readonly joining?: Joining
}

export interface LogSpec {
  readonly kind: 'log'
  /** What `table` or `tables` was at the start: others have no initial rows in the sink. */
  readonly wanted: readonly string[]
}

/**
 * Behind the last transaction that was read to its end, and behind so many rows of each table after it. The order of a
 * table's rows in a transaction never changes, so that counting them is enough.
 */
export interface LogPosition {
  readonly place: Place
  readonly skip: Readonly<Record<TableId, number>>
  /** The shape that each table has here, as `shapeDigest` makes it. */
  readonly shapes: Readonly<Record<TableId, string>>
  /** When the last transaction was committed: seconds since 1970. */
  readonly time: number
  /** For which tables it is read; absent in positions of before: those of the split. */
  readonly reads?: LogReads
}

export function chunkId(database: string, table: string, index: number, round: number): string {
  return `${database}.${table}/${index}${round === 0 ? '' : `@${round}`}`
}

/** Which round of joining tables a chunk belongs to; 0: the first start. */
export function roundOf(split: string): number {
  return Number(/\/\d+@(\d+)$/.exec(split)?.[1] ?? 0)
}

export function isChunk(spec: JsonObject): boolean {
  return spec['kind'] === 'chunk'
}

export function chunkSpec(json: JsonObject): ChunkSpec {
  const { database, table, from, to, place, shape } = json
  if (!isChunk(json) || typeof database !== 'string' || typeof table !== 'string') throw unreadable(json)
  if (typeof shape !== 'string') throw unreadable(json)
  const bounds = { from: textOrNull(from), to: textOrNull(to) }
  return { kind: 'chunk', database, table, ...bounds, place: placeOf(place), shape, ...whyOf(json) }
}

export function chunkPosition(json: JsonObject): ChunkPosition {
  const { after, place, shape } = json
  const isKey = Array.isArray(after) && after.every((part) => typeof part === 'string')
  if (after !== null && !isKey) throw unreadable(json)
  return {
    after: isKey ? after : null,
    ...(place === undefined ? {} : { place: placeOf(place) }),
    ...(typeof shape === 'string' ? { shape } : {}),
    ...whyOf(json),
  }
}

function whyOf(json: JsonObject): Pick<ChunkSpec, 'wanted' | 'joining'> {
  const { wanted } = json
  const joining = joiningOf(json['joining'])
  return {
    ...(Array.isArray(wanted) ? { wanted: wanted.map(String) } : {}),
    ...(joining === undefined ? {} : { joining }),
  }
}

export function logSpec(json: JsonObject): LogSpec {
  const { wanted } = json
  if (json['kind'] !== 'log' || !Array.isArray(wanted)) throw unreadable(json)
  return { kind: 'log', wanted: wanted.map(String) }
}

export function logPosition(json: JsonObject): LogPosition {
  const { place, skip, shapes, time } = json
  if (!isObject(skip) || !isObject(shapes)) throw unreadable(json)
  return {
    place: placeOf(place),
    skip: Object.fromEntries(Object.entries(skip).map(([table, rows]) => [table, Number(rows)])),
    shapes: Object.fromEntries(Object.entries(shapes).map(([table, digest]) => [table, String(digest)])),
    time: Number(time ?? 0),
    ...(json['reads'] === undefined ? {} : { reads: logReadsOf(json['reads']) }),
  }
}

/** Interfaces of ours, as the JSON that a manifest keeps. */
export function toJson(value: ChunkSpec | ChunkPosition | LogSpec | LogPosition): JsonObject {
  return value as unknown as JsonObject
}

function textOrNull(json: Json | undefined): string | null {
  return typeof json === 'string' ? json : null
}
