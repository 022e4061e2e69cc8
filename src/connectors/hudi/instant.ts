import { assert } from '../../core/assert.ts'

/**
 * The name of one action on a table: its time as `yyyyMMddHHmmssSSS` in UTC. Hudi compares instants as text; the old
 * form of 14 digits (seconds) counts as the last millisecond of its second
 * (HoodieInstantTimeGenerator.java of Apache Hudi).
 */
export type Instant = string

export function formatInstant(ms: number): Instant {
  const text = new Date(ms).toISOString().replace(/[^0-9]/g, '')
  assert(text.length === 17, `the clock shows a year with four digits, not ${ms} ms`)
  return text
}

/** Milliseconds since the epoch. */
export function instantMs(instant: Instant): number {
  const full = instant.length === 14 ? `${instant}999` : instant
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/.exec(full)
  assert(parts !== null, `${instant} is an instant`)
  const [, year, month, day, hour, minute, second, millis] = parts
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${millis}Z`)
}

/** The next free instant: now, but always after the newest one on the timeline (also after a pending one). */
export function nextInstant(nowMs: number, newest: Instant | undefined): Instant {
  if (newest === undefined) return formatInstant(nowMs)
  const after = instantMs(newest) + 1
  // An instant such as 20261399… is no date; then one more as a number is the best that can be said.
  if (Number.isNaN(after)) return (BigInt(newest.padEnd(17, '9')) + 1n).toString()
  return formatInstant(Math.max(nowMs, after))
}
