/**
 * Stream Load clients of StarRocks and Doris, usable without the engine.
 *
 * - `StarRocksTransactions`: begin → load… → prepare → commit, by label.
 * - `DorisTwoPhaseLoads`: one streaming load → commit or abort, by transaction id.
 * - `PlainLoads`: one load, visible at its end, for both.
 * - `labelOf`, `parseLabel`: names of transactions that are never used twice.
 *
 * Every operation gives an outcome, a union of words; nothing is reported by `true` and `false`. `failed` carries a
 * `MillraceError` that says what to do; `unknown` asks for evidence (`settle`).
 */
export type { DorisStateOutcome, DorisTransactionState, LabelExists, PrecommitOutcome } from './doris/classify.ts'
export {
  type DorisLoadName,
  type DorisOptions,
  type DorisTransactionName,
  DorisTwoPhaseLoads,
} from './doris/two-phase-load.ts'
export type { StreamLoadEndpoint, StreamLoadTimeouts } from './endpoint.ts'
export type { HeaderFields } from './header-safety.ts'
export { isLabelOf, LABEL_BYTES_MAX, labelOf, type LabelParts, type ParsedLabel, parseLabel } from './labels.ts'
export type {
  Busy,
  CommitOutcome,
  Failed,
  LoadCounts,
  LoadStream,
  PlainLoadOutcome,
  RollbackOutcome,
  Unknown,
} from './outcomes.ts'
export type { Pause } from './pause.ts'
export { type PlainLoadOptions, PlainLoads } from './plain-load.ts'
export type { Resolver } from './resolve.ts'
export type {
  BeginOutcome,
  CancelOutcome,
  LoadOutcome,
  PrepareOutcome,
  StateOutcome,
  TransactionState,
} from './starrocks/classify.ts'
export {
  type StarRocksOptions,
  StarRocksTransactions,
  type TableTransactionName,
  type TransactionName,
} from './starrocks/transaction.ts'
