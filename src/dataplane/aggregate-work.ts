import type { Schema } from '../core/schema.ts'
import type { PartColumn } from './compile-aggregates.ts'
import { duckType, parseColumnType } from './types.ts'

/** What the operators of an `aggregate` need of its step in the plan. Durations and moments are microseconds. */
export interface AggregateWork {
  readonly id: string
  readonly input: Schema
  /** Columns of the input, and of the result. */
  readonly groupBy: readonly string[]
  readonly time?: EventTimeWork
  readonly window?: Window
  /** So long after its end a window still takes rows. */
  readonly lateness: number
  readonly parts: readonly PartColumn[]
  readonly calls: readonly { readonly name: string; readonly sql: string }[]
  readonly results: readonly { readonly name: string; readonly sql: string }[]
  readonly output: Schema
  /** With windows: results come before the window has closed, too. Without: not with every checkpoint. Milliseconds. */
  readonly emitEveryMs?: number
  /**
   * Sessions whose results may be given before they are final: one that grows has another key then, so the result of before is
   * deleted. The output has a column `__op`.
   */
  readonly retracts?: boolean
  /** Hash over everything that kept state depends on. */
  readonly definition: string
}

export interface EventTimeWork {
  readonly column: string
  /** Rows may be so much older than the newest of their split. */
  readonly delay: number
  /** A split without rows for so long does not hold event time back. Milliseconds. */
  readonly idleMs?: number
}

export type Window =
  | { readonly kind: 'tumbling'; readonly size: number; readonly offset: number }
  | { readonly kind: 'hopping'; readonly size: number; readonly every: number; readonly offset: number }
  | { readonly kind: 'cumulative'; readonly size: number; readonly every: number; readonly offset: number }
  | { readonly kind: 'session'; readonly gap: number }

/** Columns of partial results beside those of the group; no column of a user begins like this. */
export const MICROS = '#us'
export const START = '#start'
export const END = '#end'

/** A column that never leaves the lanes, of any of DuckDB's types. */
export interface InnerColumn {
  readonly name: string
  readonly type: string
}

/** Columns of partial results and of the kept state. */
export function innerColumns(work: Pick<AggregateWork, 'groupBy' | 'input' | 'window' | 'parts'>): InnerColumn[] {
  const bounds = work.window === undefined ? [] : [START, END]
  const typeOf = (name: string): string => {
    return duckType(parseColumnType(work.input.find((column) => column.name === name)?.type ?? 'varchar'))
  }
  return [
    ...work.groupBy.map((name) => ({ name, type: typeOf(name) })),
    ...bounds.map((name) => ({ name, type: 'BIGINT' })),
    ...work.parts.map(({ name, type }) => ({ name, type })),
  ]
}
