import { sortableLsn, type Lsn } from '../../clients/postgres-replication/index.ts'
import type { ChangeColumn } from './options.ts'

const INDEX_DIGITS = 10

export type Op = 'r' | 'c' | 'u' | 'd'

export interface TailOptions {
  readonly columns: readonly ChangeColumn[]
}

export interface Change {
  readonly op: Op
  /** Of the transaction's commit; of rows that were there at the start, where the slot begins. */
  readonly lsn: Lsn
  /** Of the change inside its transaction. */
  readonly index: number
  /** Commit time. */
  readonly time: string
}

/** What follows the columns of the table in a row, up to its closing brace. */
export function changeTail({ columns }: TailOptions, { op, lsn, index, time }: Change): Buffer {
  const parts = [`,"__op":${op === 'd' ? 1 : 0}`]
  for (const column of columns) {
    if (column === '_op') parts.push(`,"_op":"${op}"`)
    if (column === '_position') parts.push(`,"_position":"${positionText(lsn, index)}"`)
    if (column === '_timestamp') parts.push(`,"_timestamp":"${time}"`)
  }
  return Buffer.from(`${parts.join('')}}`)
}

/** The tails of all changes, where neither their place nor their time is asked for. */
export function plainTails(options: TailOptions): Readonly<Record<Op, Buffer>> | undefined {
  if (options.columns.some((column) => column !== '_op')) return undefined
  const of = (op: Op): Buffer => changeTail(options, { op, lsn: 0n, index: 0, time: '' })
  return { r: of('r'), c: of('c'), u: of('u'), d: of('d') }
}

/** Sorts as text in the order of commits and of the changes inside them. */
function positionText(lsn: Lsn, index: number): string {
  return `${sortableLsn(lsn)}-${String(index).padStart(INDEX_DIGITS, '0')}`
}

/** Microseconds since 1970 as `YYYY-MM-DD HH:MM:SS.ffffff`, in UTC. */
export function microsText(micros: bigint): string {
  const seconds = new Date(Number(micros / 1000n)).toISOString()
  return `${seconds.slice(0, 10)} ${seconds.slice(11, 19)}.${String(micros % 1_000_000n).padStart(6, '0')}`
}
