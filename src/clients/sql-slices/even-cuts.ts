import type { Cut } from './cut.ts'
import type { KeyColumn } from './table-shape.ts'

const MICROS_PER_MS = 1000n

/**
 * Cuts that divide what lies between two keys into so many even parts, by the value of the first column. None where its
 * values cannot be counted, or are fewer than the parts.
 */
export function evenCuts(column: KeyColumn, first: string, last: string, parts: number): Cut[] {
  const low = toNumber(column, first)
  const high = toNumber(column, last)
  if (low === undefined || high === undefined || high - low < BigInt(parts)) return []
  return Array.from({ length: parts - 1 }, (_, index) => {
    const value = low + ((high - low) * BigInt(index + 1)) / BigInt(parts)
    return { key: [toText(column, value)], side: 'before' as const }
  })
}

function toNumber({ kind, nativeType }: KeyColumn, text: string): bigint | undefined {
  if (kind === 'integer' || kind === 'transaction') return /^-?\d+$/.test(text) ? BigInt(text) : undefined
  if (kind !== 'moment') return undefined
  const match = /^(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?)?(?:\+00)?$/.exec(text)
  if (match === null) return undefined
  const [, day = '', clock = '00:00:00', fraction = ''] = match
  const ms = Date.parse(`${day}T${clock}Z`)
  if (Number.isNaN(ms)) return undefined
  const micros = BigInt(ms) * MICROS_PER_MS + BigInt(fraction.padEnd(6, '0'))
  return nativeType === 'date' ? micros / MICROS_PER_DAY : micros
}

const MICROS_PER_DAY = 86_400_000_000n

function toText({ kind, nativeType }: KeyColumn, value: bigint): string {
  if (kind !== 'moment') return String(value)
  const micros = nativeType === 'date' ? value * MICROS_PER_DAY : value
  const seconds = micros / 1_000_000n - (micros % 1_000_000n < 0n ? 1n : 0n)
  // Whole seconds fit every precision of the column.
  const text = new Date(Number(seconds) * 1000).toISOString()
  return nativeType === 'date'
    ? text.slice(0, 10)
    : `${text.slice(0, 10)} ${text.slice(11, 19)}${/with time zone/.test(nativeType) ? '+00' : ''}`
}
