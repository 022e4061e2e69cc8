import type { Schema } from '../core/schema.ts'
import type { InnerColumn } from './aggregate-work.ts'
import { duckType, parseColumnType } from './types.ts'

/** What the operators of a `join` need of its step in the plan. Durations are microseconds. */
export interface JoinWork {
  readonly id: string
  readonly left: JoinSide
  readonly right: JoinSide
  /** Types in which the keys of both sides are compared, kept and shared out. */
  readonly key: readonly InnerColumn[]
  /** A right row belongs to a left one when it is at most so much earlier, and at most so much later. */
  readonly before: number
  readonly after: number
  /** Left rows without a partner go on with NULL when their time is over. */
  readonly keepsLeft: boolean
  /** What rows get of their partner on the right. */
  readonly columns: readonly { readonly name: string; readonly column: string }[]
  readonly output: Schema
  readonly time: { readonly delay: number; readonly idleMs?: number }
  /** Hash over everything that kept state depends on. */
  readonly definition: string
}

export interface JoinSide {
  readonly input: Schema
  readonly key: readonly string[]
  /** The column with the moment of a row. */
  readonly time: string
}

/** Columns of the rows of both sides between the lanes and in the state; no column of a user begins like this. */
export function joinColumns(work: Pick<JoinWork, 'key' | 'left' | 'right'>): InnerColumn[] {
  const own = ({ input }: JoinSide, letter: string): InnerColumn[] =>
    input.map(({ type }, index) => ({ name: `#${letter}${index}`, type: duckType(parseColumnType(type)) }))
  const place = [
    { name: '#side', type: 'TINYINT' },
    { name: '#us', type: 'BIGINT' },
  ]
  return [...place, ...work.key, ...own(work.left, 'l'), ...own(work.right, 'r')]
}
