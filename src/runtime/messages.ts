import type { MessagePort } from 'node:worker_threads'
import type { SplitId } from '../core/batch.ts'
import type { SchemaChange } from '../core/changes.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import type { ErrorData } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { SplitAssignment } from '../core/source.ts'
import type { Plan } from '../plan/plan.ts'
import type { StatePart, StateByStep } from '../checkpoint/kept-state.ts'
import type { Diversions } from './diverter.ts'
import type { LaneTime } from './event-time/lane-event-time.ts'
import type { ExchangeLinks } from './exchange/link-exchanges.ts'
import type { Routes, ValueBytes } from './exchange/spreader.ts'
import type { DeadLettersOfPart } from '../checkpoint/dead-letter-budget.ts'
import type { Accounting } from '../checkpoint/entries.ts'
import type { HandedRecords, TrialRanges } from './handed-records.ts'

/** What a lane's thread is born with. */
export interface LaneData {
  readonly plan: Plan
  readonly lane: number
  readonly lanes: number
  /** Sinks whose writer several lanes share, with this lane's ends of the channels. */
  readonly shared: readonly SharedSink[]
  /** This lane's ends of the channels of every exchange. */
  readonly exchanges: readonly ExchangeLinks[]
  /** Module of each connector that the plan uses, by name: the lane imports them itself. */
  readonly connectors: Readonly<Record<string, string>>
}

/** A lane hosts the writer (one port to each lane that feeds it) or feeds the one of another lane (one port). */
export interface SharedSink {
  readonly sink: string
  readonly role: 'host' | 'remote'
  readonly ports: readonly MessagePort[]
}

export type Tickets = Readonly<Record<string, JsonObject>>

/** Coordinator → lane. */
export type ToLane =
  /** Begin reading, at the start of a run or at a soft rewind: open work of earlier attempts is thrown away. */
  | {
      readonly kind: 'start'
      readonly attempt: number
      readonly checkpoint: CheckpointId
      readonly tickets: Tickets
      readonly assignments: Readonly<Record<string, readonly SplitAssignment[]>>
      /** What the checkpoint holds that the lanes go on from: kept state, and event time with it. */
      readonly state?: StateByStep | undefined
      /** Hand on only these records, by source, and report `drained` when that is done: nothing of it is published. */
      readonly trial?: Readonly<Record<string, TrialRanges>>
      /** Put these records aside as they are read: they were refused. */
      readonly divert?: Diversions
    }
  | { readonly kind: 'add'; readonly source: string; readonly splits: readonly SplitAssignment[] }
  /** Cut: what came before belongs to `checkpoint`, what follows to `next`. After the last barrier nothing is read. */
  | {
      readonly kind: 'barrier'
      readonly checkpoint: CheckpointId
      readonly next: { readonly checkpoint: CheckpointId; readonly tickets: Tickets }
      readonly last: boolean
      /** All input was read to its end. */
      readonly isEnd?: boolean
      /** Event time of each step from this barrier on. */
      readonly eventTime?: ReadonlyMap<string, bigint>
      /** Splits of each source that this lane reads no further: another one goes on with them. */
      readonly revoke?: Readonly<Record<string, readonly SplitId[]>>
    }
  /** The sinks follow the change that this source waits with. */
  | { readonly kind: 'changed'; readonly attempt: number; readonly source: string }
  /** Throw away open work and stay still until the next `start`. */
  | { readonly kind: 'halt' }
  /** Where an exchange is to send rows from now on that may go to any lane. */
  | { readonly kind: 'routes'; readonly exchange: string; readonly routes: Routes }
  | { readonly kind: 'tap'; readonly step: string | undefined; readonly limit: number }
  | { readonly kind: 'close' }

/** One lane's part of a checkpoint. */
export interface LaneAck {
  readonly checkpoint: CheckpointId
  readonly positions: Readonly<Record<string, readonly SplitProgress[]>>
  readonly committables: Readonly<Record<string, readonly JsonObject[]>>
  readonly accounting: Accounting
  /** What steps with state keep in this lane. */
  readonly state?: Readonly<Record<string, StatePart>>
  /** What was put aside, by part of the pipeline; absent where it has no dead letters. */
  readonly letters?: ReadonlyMap<string, DeadLettersOfPart>
}

export interface SplitProgress {
  readonly split: SplitId
  readonly at: JsonObject
  readonly finished: boolean
}

/** Rows and bytes that passed a step since the thread began. */
export interface StepTotals {
  readonly rows: number
  readonly bytes: number
}

/** Lane → coordinator. `attempt` is the epoch that the lane runs under: answers of a rewound one are not heard. */
export type FromLane =
  | { readonly kind: 'ready' }
  /** The first item since the last barrier was handled. */
  | { readonly kind: 'read'; readonly attempt: number }
  | { readonly kind: 'acked'; readonly attempt: number; readonly ack: LaneAck }
  | {
      readonly kind: 'progress'
      readonly steps: Readonly<Record<string, StepTotals>>
      readonly positions: Readonly<Record<string, readonly SplitProgress[]>>
    }
  /** How old the newest records of a source were when this lane handled them, in milliseconds, where that is known. */
  | { readonly kind: 'behind'; readonly source: string; readonly ms?: number }
  /** Bytes that each split gave since the last report, of sources whose splits may move. */
  | {
      readonly kind: 'split-bytes'
      readonly source: string
      readonly splits: readonly (readonly [split: SplitId, bytes: number])[]
    }
  /** Rows that an exchange left in their lane and sent to others since the last report, and how many keys are scattered. */
  | {
      readonly kind: 'exchanged'
      readonly exchange: string
      readonly kept: number
      readonly moved: number
      readonly scattered: number
    }
  /** Rows that a step keeps in this lane from one checkpoint to the next. */
  | { readonly kind: 'kept'; readonly step: string; readonly rows: number }
  /** What an exchange measured since the last report. */
  | { readonly kind: 'measured'; readonly exchange: string; readonly values: ValueBytes }
  /**
   * A source of this lane waits with a change of a table's shape. All that it read before it belongs to `checkpoint` or to
   * earlier ones.
   */
  | {
      readonly kind: 'change'
      readonly attempt: number
      readonly source: string
      readonly checkpoint: CheckpointId
      readonly change: SchemaChange
    }
  /** Event time of steps in this lane, where it changed. */
  | { readonly kind: 'event-time'; readonly attempt: number; readonly times: ReadonlyMap<string, LaneTime> }
  /** Every assigned split has ended. */
  | { readonly kind: 'drained'; readonly attempt: number }
  | { readonly kind: 'halted'; readonly handed: readonly HandedRecords[] }
  | { readonly kind: 'failed'; readonly attempt: number; readonly error: ErrorData }
  | { readonly kind: 'tapped'; readonly step: string; readonly lines: readonly string[] }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly detail: JsonObject }
  | {
      readonly kind: 'count'
      readonly name: string
      readonly by: number
      readonly labels: Readonly<Record<string, string>>
    }
  | { readonly kind: 'observe'; readonly name: string; readonly seconds: number }

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
