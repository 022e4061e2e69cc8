import { MillraceError } from '../../core/errors.ts'

/**
 * A place in the server's write-ahead log, in bytes since it was made. Postgres writes the two halves in hexadecimal
 * (`16/B374D848`), and compares them as one number.
 */
export type Lsn = bigint

export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text)
  if (match === null) throw new MillraceError(`"${text}" is no place in a WAL (16/B374D848)`, { code: 'STORE_CORRUPT' })
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}

export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase()
}

/** Sixteen digits, so that texts sort as places do. */
export function sortableLsn(lsn: Lsn): string {
  return lsn.toString(16).padStart(16, '0')
}
