import type { Schema } from '../core/schema.ts'
import type { EventTimeWork } from './aggregate-work.ts'

/** What the operators of a `deduplicate` need of its step in the plan. */
export interface DeduplicateWork {
  readonly id: string
  /** Of what comes and of what goes on. */
  readonly input: Schema
  readonly key: readonly string[]
  /** Absent: keys are remembered by the time of this machine. */
  readonly time?: EventTimeWork
  /** Microseconds. */
  readonly ttl: number
  /** Hash over everything that kept state depends on. */
  readonly definition: string
}
