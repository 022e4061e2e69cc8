import type { JsonObject } from '../../core/json.ts'
import { MillraceError } from '../../core/errors.ts'

/** What a split reads, apart from where it stands. */
export interface SliceSpec {
  /** The row of the split list that it came from, or the table. */
  readonly name: string
  readonly table: string
  /** The condition that belongs to it, with its values put in; `undefined`: none. */
  readonly where: string | undefined
  /** The slicing columns, tie-breakers included: positions of other columns mean nothing. */
  readonly key: readonly string[]
  /** Reads the table as it was at this moment of the server (TiDB). */
  readonly asOf: string | undefined
  /** Goes on when it has read everything. */
  readonly isFollowing: boolean
}

export function specToJson({ name, table, where, key, asOf, isFollowing }: SliceSpec): JsonObject {
  return {
    name,
    table,
    key,
    isFollowing,
    ...(where === undefined ? {} : { where }),
    ...(asOf === undefined ? {} : { asOf }),
  }
}

export function specFromJson(json: JsonObject): SliceSpec {
  const { name, table, where, key, asOf, isFollowing } = json
  const isKey = Array.isArray(key) && key.every((column) => typeof column === 'string')
  const isText = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string'
  if (typeof name !== 'string' || typeof table !== 'string' || !isKey || !isText(where) || !isText(asOf)) {
    const fields = Object.keys(json).join(', ')
    throw new MillraceError(`a split of a sliced table cannot be read: ${fields}`, { code: 'STORE_CORRUPT' })
  }
  return { name, table, where, key, asOf, isFollowing: isFollowing === true }
}

/** One of the ranges that the rows of the first start are read in. */
export function rangeId(name: string, index: number, count: number): string {
  return `${name}/${index + 1}-${count}`
}

/** What follows the ranges, or the only split. */
export function restId(name: string): string {
  return `${name}/rest`
}

/** The ranges of a name among the splits that are known, and how many there are in all. */
export function rangesOf(
  name: string,
  known: ReadonlySet<string>,
): { readonly found: string[]; readonly count: number } {
  const found: string[] = []
  let count = 0
  for (const split of known) {
    if (!split.startsWith(`${name}/`)) continue
    const match = /^(\d+)-(\d+)$/.exec(split.slice(name.length + 1))
    if (match === null) continue
    found.push(split)
    count = Number(match[2])
  }
  return { found, count }
}
