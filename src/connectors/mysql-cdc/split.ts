import type { TableId } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { BinlogPlace } from '../../clients/mysql-replication/index.ts'

/** The one split that follows the log. */
export const LOG_SPLIT = 'log'

/** Which server's files a place counts in: its uuid, or in MariaDB its id. GTIDs mean the same on all of them. */
export interface Place extends BinlogPlace {
  readonly server: string
}

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
}

/** The next row of a chunk: the one behind the key `after`, given as SQL literals. */
export interface ChunkPosition {
  readonly after: readonly string[] | null
  /** With the final position: where the log goes on, and the shape that the rows had. */
  readonly place?: Place
  readonly shape?: string
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
}

export function chunkId(database: string, table: string, index: number): string {
  return `${database}.${table}/${index}`
}

export function isChunk(spec: JsonObject): boolean {
  return spec['kind'] === 'chunk'
}

export function chunkSpec(json: JsonObject): ChunkSpec {
  const { database, table, from, to, place, shape } = json
  if (!isChunk(json) || typeof database !== 'string' || typeof table !== 'string') throw unreadable(json)
  if (typeof shape !== 'string') throw unreadable(json)
  return { kind: 'chunk', database, table, from: textOrNull(from), to: textOrNull(to), place: placeOf(place), shape }
}

export function chunkPosition(json: JsonObject): ChunkPosition {
  const { after, place, shape } = json
  const isKey = Array.isArray(after) && after.every((part) => typeof part === 'string')
  if (after !== null && !isKey) throw unreadable(json)
  return {
    after: isKey ? after : null,
    ...(place === undefined ? {} : { place: placeOf(place) }),
    ...(typeof shape === 'string' ? { shape } : {}),
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
  }
}

/** Interfaces of ours, as the JSON that a manifest keeps. */
export function toJson(value: ChunkSpec | ChunkPosition | LogSpec | LogPosition): JsonObject {
  return value as unknown as JsonObject
}

/** JSON has no `undefined`: a place without GTIDs has null there. */
export function storedPlace(place: BinlogPlace, server: string): Place {
  const { flavour, gtid, file, position } = place
  return { flavour, ...(gtid === undefined ? {} : { gtid }), file, position, server } as Place
}

function placeOf(json: Json | undefined): Place {
  if (!isObject(json)) throw unreadable(json ?? null)
  const { flavour, gtid, file, position, server } = json
  if (flavour !== 'mysql' && flavour !== 'mariadb') throw unreadable(json)
  if (typeof file !== 'string' || typeof position !== 'number' || typeof server !== 'string') throw unreadable(json)
  return { flavour, gtid: typeof gtid === 'string' ? gtid : undefined, file, position, server }
}

function textOrNull(json: Json | undefined): string | null {
  return typeof json === 'string' ? json : null
}

function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function unreadable(json: Json): MillraceError {
  return new MillraceError(`a position of mysql-cdc cannot be read: ${JSON.stringify(json)}`, { code: 'STORE_CORRUPT' })
}
