import type { Json, JsonObject } from '../../core/json.ts'
import { formatLsn, parseLsn, type Lsn } from '../../clients/postgres-replication/index.ts'
import { tableKey, unreadable, walTableFromJson, walTableToJson, type WalSpec, type WalTable } from './split.ts'
import { isMatchedBy } from './wanted-tables.ts'

/**
 * A place between two changes: in the transaction whose commit record begins at `lsn` behind the first `row` ones, or
 * between two transactions.
 */
export interface WalPlace {
  readonly lsn: Lsn
  readonly row: number
}

export interface WalPosition extends WalPlace {
  /** Places are those of one history of the server. */
  readonly timeline: number
  /** Tables whose changes were given out up to a later place, by `tableKey`. */
  readonly ahead: ReadonlyMap<string, WalPlace>
  /** Absent in positions of before: the tables of the split. */
  readonly reads?: WalReads
}

/** Which tables a log is read for, as far as they are others than those of its split. By `tableKey`. */
export interface WalReads {
  /** How often tables have joined. */
  readonly round: number
  /** What `tables` was when they were looked for last. */
  readonly wanted: readonly string[]
  /** Tables that joined, with what their chunks hold; each in place of the one before with its name. */
  readonly joined: readonly WalTable[]
  /** Tables of the split that nobody asks for any more. */
  readonly left: readonly string[]
  /** Tables whose changes are not read now, and where they go on. */
  readonly held: Readonly<Record<string, WalPlace>>
  /** Those of them that are being read again, and on what occasion. */
  readonly again: Readonly<Record<string, string>>
  /** For each table that was read again, on what occasion the last time. */
  readonly resynced: Readonly<Record<string, string>>
}

/** Of a log that is given out now: occasions to read again that are named already have come too early. */
export function firstReads({
  tables,
  resync,
}: {
  readonly tables?: readonly string[] | undefined
  readonly resync: Readonly<Record<string, string>>
}): WalReads {
  const resynced = Object.fromEntries(Object.entries(resync).map(([name, occasion]) => [keyOfName(name), occasion]))
  return { round: 0, wanted: tables ?? [], joined: [], left: [], held: {}, again: {}, resynced }
}

/** A name of the option `resync` as `tableKey` has it. */
export function keyOfName(name: string): string {
  const dot = name.indexOf('.')
  return tableKey({ schema: name.slice(0, dot), name: name.slice(dot + 1) })
}

/** All tables that a log is read for, with those that are held. */
export function tablesOf({ tables }: WalSpec, { joined, left }: WalReads): readonly WalTable[] {
  const gone = new Set([...left, ...joined.map(tableKey)])
  return [...tables.filter((table) => !gone.has(tableKey(table))), ...joined]
}

/** What is read at a start: a table that is not asked for any more is new when it is asked for again. */
export function narrowed(spec: WalSpec, reads: WalReads, tables: readonly string[] | undefined): WalReads {
  if (tables === undefined) return reads
  const isAsked = isMatchedBy(tables)
  const gone = new Set(
    tablesOf(spec, reads)
      .filter(({ schema, name }) => !isAsked(schema, name))
      .map(tableKey),
  )
  const wanted = reads.wanted.filter((pattern) => tables.includes(pattern))
  if (gone.size === 0 && wanted.length === reads.wanted.length) return reads
  const rest = <T>(of: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(of).filter(([key]) => !gone.has(key)))
  return {
    ...reads,
    wanted,
    joined: reads.joined.filter((table) => !gone.has(tableKey(table))),
    left: [...reads.left, ...gone],
    held: rest(reads.held),
    again: rest(reads.again),
  }
}

/** The first place that is still needed of the server. */
export function neededFrom({ lsn, reads }: WalPosition): Lsn {
  return Object.values(reads?.held ?? {}).reduce((least, held) => (held.lsn < least ? held.lsn : least), lsn)
}

/** Less than 0 when the first place comes before the second one. */
export function comparePlaces(one: WalPlace, other: WalPlace): number {
  if (one.lsn !== other.lsn) return one.lsn < other.lsn ? -1 : 1
  return one.row - other.row
}

export function walPositionToJson({ lsn, row, timeline, ahead, reads }: WalPosition): JsonObject {
  return {
    lsn: formatLsn(lsn),
    row,
    timeline,
    ...(ahead.size === 0 ? {} : { ahead: placesToJson(ahead) }),
    ...(reads === undefined ? {} : { reads: readsToJson(reads) }),
  }
}

export function walPositionFromJson(json: JsonObject): WalPosition {
  const { timeline, ahead, reads } = json
  if (typeof timeline !== 'number') throw unreadable(json)
  return {
    ...placeFromJson(json),
    timeline,
    ahead: new Map(ahead === undefined ? [] : placesFromJson(objectOf(ahead))),
    ...(reads === undefined ? {} : { reads: readsFromJson(objectOf(reads)) }),
  }
}

/** Positions are written for every batch, and this part of them hardly ever changes. */
const WRITTEN = new WeakMap<WalReads, JsonObject>()

function readsToJson(reads: WalReads): JsonObject {
  let json = WRITTEN.get(reads)
  if (json === undefined) {
    const { round, wanted, joined, left, held, again, resynced } = reads
    json = {
      round,
      wanted,
      joined: joined.map(walTableToJson),
      left,
      held: placesToJson(Object.entries(held)),
      again,
      resynced,
    }
    WRITTEN.set(reads, json)
  }
  return json
}

function readsFromJson(json: JsonObject): WalReads {
  const { round, wanted, joined, left, held, again, resynced } = json
  if (typeof round !== 'number' || !Array.isArray(joined)) throw unreadable(json)
  return {
    round,
    wanted: textsOf(wanted),
    joined: joined.map((table: JsonObject) => walTableFromJson(table)),
    left: textsOf(left),
    held: Object.fromEntries(placesFromJson(objectOf(held))),
    again: objectOf(again) as Record<string, string>,
    resynced: objectOf(resynced) as Record<string, string>,
  }
}

function placesToJson(places: Iterable<readonly [string, WalPlace]>): JsonObject {
  return Object.fromEntries([...places].map(([table, { lsn, row }]) => [table, { lsn: formatLsn(lsn), row }]))
}

function placesFromJson(json: JsonObject): [string, WalPlace][] {
  return Object.entries(json).map(([table, place]) => [table, placeFromJson(objectOf(place))])
}

function placeFromJson(json: JsonObject): WalPlace {
  const { lsn, row } = json
  if (typeof lsn !== 'string' || typeof row !== 'number') throw unreadable(json)
  return { lsn: parseLsn(lsn), row }
}

function objectOf(json: Json | undefined): JsonObject {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw unreadable({ json: json ?? null })
  return json as JsonObject
}

function textsOf(json: Json | undefined): string[] {
  if (!Array.isArray(json)) throw unreadable({ json: json ?? null })
  return json.map(String)
}
