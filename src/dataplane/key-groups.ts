import { hash } from 'node:crypto'
import { quoteText } from './sql-text.ts'

/*
 * Which lane a key belongs to, the same in SQL and here. State that is kept by key group is restored at another number of
 * lanes, so this never changes without a new version of that state. DuckDB's own hash() changes between its releases.
 *
 * Version 1: the text of a key is its values as DuckDB casts them to VARCHAR, NULL as nothing, joined by U+001F. Its group
 * is the low seven bits of the first byte of the MD5 (RFC 1321) of that text. Keys that look alike only share a group.
 */

/** Key groups are shared out over lanes; more lanes than groups would leave some without rows. */
const KEY_GROUPS = 128

const SEPARATOR = '\x1f'

/** The text of a key, from SQL expressions over the rows. */
export function keyTextSql(expressions: readonly string[]): string {
  const texts = expressions.map((expression) => `coalesce(CAST(${expression} AS VARCHAR), '')`)
  return texts.length === 0 ? `''` : texts.join(` || ${quoteText(SEPARATOR)} || `)
}

/** The group of a key, from SQL expressions over the rows. */
export function keyGroupSql(expressions: readonly string[]): string {
  return `(md5_number(${keyTextSql(expressions)}) & 127)::INTEGER`
}

/** The lane of a key, from SQL expressions over the rows. */
export function keyLaneSql(expressions: readonly string[], lanes: number): string {
  return `(${keyGroupSql(expressions)} * ${lanes} // ${KEY_GROUPS})`
}

/** The lane of a key, from its text. */
export function keyLane(text: string, lanes: number): number {
  const group = Number.parseInt(hash('md5', text).slice(0, 2), 16) % KEY_GROUPS
  return Math.floor((group * lanes) / KEY_GROUPS)
}

/** The groups of a lane: from the first one up to the second one, which is not part of it. */
export function keyGroupsOf(lane: number, lanes: number): readonly [from: number, to: number] {
  const from = (of: number): number => Math.ceil((KEY_GROUPS * of) / lanes)
  return [from(lane), from(lane + 1)]
}
