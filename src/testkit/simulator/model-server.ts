import type { JsonObject } from '../../core/json.ts'
import type { Audit, Row } from './audit.ts'
import type { Random } from './random.ts'

/** What a schedule can do to the server that stands behind a model sink, and see of it. */
export interface ModelServer {
  /** What expires can be loaded again: nobody has to read or to give up anything. */
  readonly keepsRows?: boolean
  /** What lives only in its memory is gone. */
  restart(): void
  /** Ends a prepared transaction by its timeout; false when there is none, or no such thing. */
  expire(random: Random): boolean
  /** Forgets the names of what is finished; false when it never does. */
  evict(): boolean
  /** Whether the rows of a committable are visible, as an operator would look. */
  isVisible(committable: JsonObject): boolean
  rowsOf(committable: JsonObject): readonly Row[]
  /** Transactions that are neither finished nor aborted. */
  unfinished(): readonly string[]
  /** What is wrong in the end beside missing rows, for sinks that only converge. */
  wrongAtTheEnd?(rowsOf: ReadonlyMap<string, number>): readonly string[]
}

export type ServerOfFamily = (audit: Audit) => ModelServer
