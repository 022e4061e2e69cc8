import { isDeepStrictEqual } from 'node:util'
import { MillraceError } from '../../core/errors.ts'
import type { Json, JsonObject } from '../../core/json.ts'

/**
 * A place between two rows in the order of the slicing columns: before or after all rows whose columns begin with these
 * values. Values are the server's own text, compared by the server only. `undefined` stands for the place before all rows.
 */
export interface Cut {
  readonly key: readonly string[]
  readonly side: 'before' | 'after'
}

/** Rows that were read between two cuts, to be counted again later. */
export interface AuditWindow {
  readonly from: Cut | undefined
  readonly to: Cut
  readonly rows: number
}

/** Where reading stands: what lies behind the cut was given; the windows are not audited yet. */
export interface SlicePosition {
  readonly cut: Cut | undefined
  readonly windows: readonly AuditWindow[]
}

export function isSameCut(one: Cut, other: Cut): boolean {
  return one.side === other.side && isDeepStrictEqual(one.key, other.key)
}

export function cutToJson(cut: Cut | undefined): JsonObject {
  return cut === undefined ? {} : { key: cut.key, side: cut.side }
}

export function cutFromJson(json: JsonObject): Cut | undefined {
  const { key, side } = json
  if (key === undefined) return undefined
  if (!Array.isArray(key) || !key.every((value) => typeof value === 'string')) throw unreadable(json)
  if (side !== 'before' && side !== 'after') throw unreadable(json)
  return { key, side }
}

export function positionToJson({ cut, windows }: SlicePosition): JsonObject {
  if (windows.length === 0) return cutToJson(cut)
  const audit = windows.map(({ from, to, rows }) => ({ from: cutToJson(from), to: cutToJson(to), rows }))
  return { ...cutToJson(cut), audit }
}

export function positionFromJson(json: JsonObject): SlicePosition {
  const audit = json['audit'] ?? []
  if (!Array.isArray(audit)) throw unreadable(json)
  return { cut: cutFromJson(json), windows: audit.map((window: Json) => windowFromJson(window, json)) }
}

function windowFromJson(window: Json, json: JsonObject): AuditWindow {
  if (!isObject(window)) throw unreadable(json)
  const { from, to, rows } = window
  if (!isObject(from) || !isObject(to) || typeof rows !== 'number') throw unreadable(json)
  const end = cutFromJson(to)
  if (end === undefined) throw unreadable(json)
  return { from: cutFromJson(from), to: end, rows }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unreadable(json: JsonObject): MillraceError {
  return new MillraceError(`a position of a sliced table cannot be read: ${Object.keys(json).join(', ')}`, {
    code: 'STORE_CORRUPT',
  })
}
