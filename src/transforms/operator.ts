import type { Batch } from '../core/batch.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import type { LaneDatabase } from '../dataplane/index.ts'
import type { RecordFault } from './record-place.ts'

/** A transform in a lane. Calls never overlap. */
export interface LaneOperator {
  /** Called once before the first batch. */
  open(): Promise<void>
  /**
   * Takes the batch, emits what comes of it and releases it. Rows that are neither emitted nor at fault count as
   * filtered. Bad rows throw POISON with their place; nothing of the batch may have been emitted then.
   */
  process(batch: Batch, out: OperatorOutput): Promise<void>
  /**
   * The barrier, between two batches: emits what is due with this checkpoint. Operators that come later in the flow are cut
   * after it, so what it emits belongs to the same checkpoint.
   */
  cut?(barrier: OperatorBarrier, out: OperatorOutput): Promise<void>
  /** What it keeps waited for nothing but the clock, and a barrier would give it now: also where no rows come any more. */
  readonly isDue?: boolean
  /** What it keeps from one batch to the next. An operator without it, and without `begin`, is the same after a restart. */
  readonly state?: KeyedState
  /** At a start and after every rewind, when `state` holds what the last published checkpoint does. */
  begin?(eventTime: bigint | undefined): Promise<void>
  close(): Promise<void>
}

export interface OperatorOutput {
  /** Hands on to output number `output` of the step; resolves when the consumers have taken it (back-pressure). */
  emit(output: number, batch: Batch): Promise<void>
  /**
   * Takes the records of the batch that are at fault, by their numbers in it: then the others go on without them. To be
   * called before the first `emit`. Absent: bad records throw POISON.
   */
  setAside?(faults: readonly RecordFault[]): Promise<void>
}

export interface OperatorBarrier {
  readonly checkpoint: CheckpointId
  /**
   * Event time of the step in microseconds, the same in all lanes: windows close up to here, and rows that come after the
   * barrier are late by it. Never goes back; `undefined` while nobody knows.
   */
  readonly eventTime: bigint | undefined
  /** All input was read to its end: what waits for more is complete. */
  readonly isEnd: boolean
}

/**
 * The state of one step in one lane: rows by key, of the key groups of this lane. What a barrier finds is saved as bytes,
 * either all of it or what changed since the last time; both forms are loaded the same way, oldest first.
 */
export interface KeyedState {
  /** Names the meaning of the rows: what another definition saved is not loaded. */
  readonly definition: string
  /** Rows that are kept now. */
  readonly rows: number
  clear(): Promise<void>
  /** Puts saved rows over what is there, only those of the given key groups (all when undefined). */
  load(bytes: Uint8Array, groups: KeyGroups | undefined): Promise<void>
  /** Everything, or what changed since the last call; `undefined` when nothing did. Called right after `cut`. */
  save(all: boolean): Promise<SavedState | undefined>
}

export interface SavedState {
  readonly bytes: Uint8Array
  readonly rows: number
}

/** From the first one up to the second one, which is not part of it. */
export type KeyGroups = readonly [from: number, to: number]

export interface OperatorContext {
  /** Absolute directory of the pipeline file; modules of the user lie in it. */
  readonly baseDirectory: string
  /** The lane's DuckDB, shared by its steps. */
  database(): Promise<LaneDatabase>
}

/** What operators with time and state need besides. */
export interface KeyedContext extends OperatorContext {
  /** Milliseconds since the epoch. */
  now(): number
  /** Tells the newest moment (microseconds) of a batch of the step that is being processed. */
  sawEventTime(step: string, micros: bigint): void
}
