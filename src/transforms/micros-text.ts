/** Units of a second's fraction by the number of digits that a timestamp type keeps. */
const MICROS_PER_SECOND = 1_000_000n
const SECONDS_PER_DAY = 86_400n

/** `2024-05-06 07:08:09.000001` (UTC) for a moment in parts of a second; `digits` is 6 for micro-, 9 for nanoseconds. */
export function timestampText(parts: bigint, digits: 6 | 9): string | undefined {
  const perSecond = digits === 6 ? MICROS_PER_SECOND : MICROS_PER_SECOND * 1000n
  const seconds = floorDivide(parts, perSecond)
  const fraction = parts - seconds * perSecond
  const days = floorDivide(seconds, SECONDS_PER_DAY)
  const time = Number(seconds - days * SECONDS_PER_DAY)
  const date = dateText(Number(days))
  if (date === undefined) return undefined
  const clock = [Math.floor(time / 3600), Math.floor(time / 60) % 60, time % 60]
  const text = `${date} ${clock.map((part) => String(part).padStart(2, '0')).join(':')}`
  return fraction === 0n ? text : `${text}.${String(fraction).padStart(digits, '0')}`
}

/** The day that is `days` after 1970-01-01, in the years 1 to 9999: what text forms of all stores agree on. */
function dateText(days: number): string | undefined {
  // A Date holds whole days exactly; nothing below a day passes through it.
  const date = new Date(days * 86_400_000)
  const year = date.getUTCFullYear()
  return year >= 1 && year <= 9999 ? date.toISOString().slice(0, 10) : undefined
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient
}
