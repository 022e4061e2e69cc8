import type { Json, JsonObject } from '../../core/json.ts'
import { isObject, placeOf, unreadable, type Place } from './stored-place.ts'

/** Tables by patterns: those that every list matches, except those that are held. */
export interface TableLists {
  /** What `tables` was, one list for each time that it got narrower. */
  readonly lists: readonly (readonly string[])[]
  /** Patterns, or names behind `=`. */
  readonly held: readonly string[]
}

/** For which tables a log is read, and which of them are elsewhere in it. */
export interface LogReads {
  readonly lists: TableLists['lists']
  /** Tables whose changes are not read now, and the place behind which they go on. */
  readonly held: Readonly<Record<string, Place>>
  /** Tables that were read up to a later place: up to there only the others are. */
  readonly ahead?: TableLists & { readonly place: Place }
  /** How often tables have joined after an initial read of theirs. */
  readonly round: number
  /** For each table that was read again, on what occasion the last time. */
  readonly resynced: Readonly<Record<string, string>>
}

/** The rows of some tables are read, beside the log, which they join afterwards. */
export interface Joining {
  readonly round: number
  readonly tables: readonly string[]
  /** Tables came: what `tables` is since. */
  readonly wanted?: readonly string[]
  /** A table is read again. */
  readonly resync?: { readonly table: string; readonly occasion: string }
}

export function firstReads(wanted: readonly string[], resync: Readonly<Record<string, string>>): LogReads {
  return { lists: [wanted], held: {}, round: 0, resynced: resync }
}

export function logReadsOf(json: Json | undefined): LogReads {
  if (!isObject(json)) throw unreadable(json ?? null)
  const { held, ahead, round, resynced } = json
  if (!isObject(held) || typeof round !== 'number' || !isObject(resynced)) throw unreadable(json)
  return {
    lists: listsOf(json),
    held: Object.fromEntries(Object.entries(held).map(([key, place]) => [key, placeOf(place)])),
    ...(isObject(ahead)
      ? { ahead: { place: placeOf(ahead['place']), lists: listsOf(ahead), held: textsOf(ahead['held']) } }
      : {}),
    round,
    resynced: Object.fromEntries(Object.entries(resynced).map(([table, occasion]) => [table, String(occasion)])),
  }
}

export function joiningOf(json: Json | undefined): Joining | undefined {
  if (!isObject(json)) return undefined
  const { round, wanted, resync } = json
  if (typeof round !== 'number') throw unreadable(json)
  return {
    round,
    tables: textsOf(json['tables']),
    ...(wanted === undefined ? {} : { wanted: textsOf(wanted) }),
    ...(isObject(resync) ? { resync: { table: String(resync['table']), occasion: String(resync['occasion']) } } : {}),
  }
}

/** As a key of `held`: one table by its name. */
export function byName(table: string): string {
  return `=${table}`
}

/** Whether a list, or what is held, names a table (`database.table`). */
export function isNamed(patterns: readonly string[], table: string): boolean {
  return patterns.some((pattern) => matcherOf(pattern)(table))
}

/** Patterns are asked for each table of a log, not for each row; still they are compiled once. */
const MATCHERS = new Map<string, (table: string) => boolean>()

function matcherOf(pattern: string): (table: string) => boolean {
  let matcher = MATCHERS.get(pattern)
  if (matcher === undefined) {
    const name = pattern.slice(1)
    const expression = pattern.startsWith('=') ? undefined : new RegExp(`^(?:${pattern})$`)
    matcher = expression === undefined ? (table) => table === name : (table) => expression.test(table)
    MATCHERS.set(pattern, matcher)
  }
  return matcher
}

export function isIn({ lists, held }: TableLists, table: string): boolean {
  return lists.every((list) => isNamed(list, table)) && !isNamed(held, table)
}

function listsOf({ lists }: JsonObject): string[][] {
  if (!Array.isArray(lists)) throw unreadable(lists ?? null)
  return lists.map((list: Json) => textsOf(list))
}

function textsOf(json: Json | undefined): string[] {
  if (!Array.isArray(json)) throw unreadable(json ?? null)
  return json.map(String)
}
