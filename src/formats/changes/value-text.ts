import { BadMessage } from './json-members.ts'

/** Days since 1970 as `YYYY-MM-DD`, in the proleptic Gregorian calendar (Howard Hinnant's civil_from_days). */
export function dateText(days: number): string {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${year < 0 ? '-' : ''}${String(Math.abs(year)).padStart(4, '0')}-${two(month)}-${two(day)}`
}

/** Microseconds since 1970 as `YYYY-MM-DD HH:MM:SS[.ffffff]`. */
export function timestampText(micros: bigint): string {
  const day = 86_400_000_000n
  const days = micros >= 0n ? micros / day : -((-micros + day - 1n) / day)
  return `${dateText(Number(days))} ${timeText(Number(micros - days * day))}`
}

/** Microseconds as `[-]HH:MM:SS[.ffffff]`, also of more than a day. */
export function timeText(micros: number): string {
  const total = Math.abs(micros)
  const seconds = Math.floor(total / 1e6)
  const fraction = total - seconds * 1e6
  const text = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  const tail = fraction === 0 ? '' : `.${String(fraction).padStart(6, '0')}`
  return `${micros < 0 ? '-' : ''}${text}${tail}`
}

/** Big-endian two's complement with `scale` decimal places. */
export function decimalText(bytes: Buffer, scale: number): string {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  if (((bytes[0] ?? 0) & 0x80) !== 0) value -= 1n << BigInt(bytes.length * 8)
  const sign = value < 0n ? '-' : ''
  const digits = String(value < 0n ? -value : value)
  if (scale <= 0) return sign + digits + '0'.repeat(-scale)
  const padded = digits.padStart(scale + 1, '0')
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}

/** The shortest text that is this number again; of a single-precision one, in single precision. */
export function floatText(value: number, isSingle: boolean): string {
  if (!Number.isFinite(value)) throw new BadMessage('a floating-point value is NaN or infinite, which rows cannot have')
  if (!isSingle || Number.isInteger(value)) return String(value)
  for (let digits = 6; digits < 9; digits++) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return String(Number(text))
  }
  return String(value)
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}
