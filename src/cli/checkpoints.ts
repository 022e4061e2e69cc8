import { encodeEntry, type CheckpointEntry, type DecisionEntry, type LogEntry } from '../checkpoint/entries.ts'
import type { Lineage } from '../checkpoint/lineage.ts'
import { takenBack } from '../checkpoint/rollback.ts'
import { fateOf, type TransactionFate } from '../checkpoint/transaction-fate.ts'
import type { PendingCommittable } from '../core/checkpoint-types.ts'
import { readSavepoints } from '../storage/savepoints.ts'
import { MillraceError } from '../core/errors.ts'
import { checkpointDetailText, checkpointListText } from './checkpoints-text.ts'
import { findJob, readState } from './job-state.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

export type CheckpointState = 'confirmed' | 'pending' | 'voided'

export interface CheckpointSummary {
  readonly checkpoint: number
  readonly epoch: number
  readonly publishedAt: string
  readonly confirmedAt: string | null
  readonly state: CheckpointState
  /** Rows that were read, and rows given to sinks. */
  readonly read: number
  readonly written: number
  /** Transactions of this checkpoint that are not known committed. */
  readonly pending: number
  /** From the barrier until it was published. */
  readonly tookMs: number
  /** From there until all of it was known committed; `null` when it is not, or the log no longer tells. */
  readonly confirmedAfterMs: number | null
  /** Kept for good: `rollback` can go back to it. */
  readonly isSavepoint: boolean
  /** The checkpoint as which a rollback went back from this one; rows that were confirmed by then are written once more. */
  readonly takenBackBy: number | null
  /** Of its entry in the log. */
  readonly manifestBytes: number
  /** What operators, or the engine itself, decided about it. */
  readonly decisions: readonly CheckpointDecision[]
}

/** A transaction that a checkpoint lists: its own, and what was not confirmed of earlier ones. */
export interface ListedTransaction extends PendingCommittable {
  readonly fate: TransactionFate
}

export interface CheckpointDecision {
  readonly action: string
  readonly sink: string | null
  readonly at: string
  readonly by: string
  readonly reason: string
}

export const verb: Verb = {
  examples: [
    'millrace checkpoints clicks.yaml',
    'millrace checkpoints clicks.yaml 42 --json',
    'millrace checkpoints show 42 clicks.yaml',
  ],
  define(command) {
    command
      .argument('<file>', 'pipeline file or state directory')
      .argument('[number]', 'show one: positions, transactions and what became of them, times, sizes')
      .argument('[word]', '`show` may stand before them, which then may stand in any order')
  },
  run: (call) => withHint('millrace checkpoints without a number lists them', () => checkpoints(call)),
}

async function checkpoints({ args }: VerbCall): Promise<VerbResult> {
  const { file, number: wanted } = wordsOf(args)
  const place = await findJob(file)
  const { entries, lineage } = await readState(place)
  const savepoints = await readSavepoints(place)
  const kept = new Set(savepoints.map(({ checkpoint }) => checkpoint))
  const logged = entries.filter((entry) => entry.kind === 'checkpoint')
  const first = logged[0]?.checkpoint ?? Infinity
  // The log may have collected what is kept as a savepoint.
  const checkpoints = [...savepoints.filter(({ checkpoint }) => checkpoint < first), ...logged]
  if (wanted === undefined) {
    const list = checkpoints.map((entry) => summaryOf(entry, entries, lineage, kept))
    return { result: { checkpoints: list }, text: checkpointListText(list, Date.now()) }
  }
  const number = Number(wanted)
  const entry = checkpoints.find((one) => one.checkpoint === number)
  if (entry === undefined) {
    const known = checkpoints.map((one) => one.checkpoint).join(', ') || 'none'
    throw new MillraceError(`checkpoint ${wanted} is not in the log; these are kept: ${known}`, { code: 'CONFIG' })
  }
  const summary = summaryOf(entry, entries, lineage, kept)
  const { sources, sinks, accounting, delivery, fingerprint } = entry
  const transactions = entry.pending.map((item) => ({ ...item, fate: fateOf(item, entries, lineage) }))
  const result = { ...summary, sources, transactions, sinks, accounting, delivery, fingerprint }
  return { result: result, text: checkpointDetailText(entry, summary, transactions) }
}

/** `<file> [number]`; with the word `show` before one of them they stand in any order. */
export function wordsOf(args: readonly (string | undefined)[]): { file: string; number: string | undefined } {
  const [first, second] = args.filter((word) => word !== undefined && word !== 'show')
  if (first === undefined) throw new MillraceError('the pipeline file is missing', { code: 'CONFIG' })
  const isTurned = second !== undefined && /^\d+$/.test(first) && !/^\d+$/.test(second)
  return isTurned ? { file: second, number: first } : { file: first, number: second }
}

function summaryOf(
  entry: CheckpointEntry,
  entries: readonly LogEntry[],
  lineage: Lineage,
  kept: ReadonlySet<number>,
): CheckpointSummary {
  const { checkpoint, epoch, at, accounting, tookMs } = entry
  const isLogged = entries.includes(entry)
  const confirmed = isLogged ? entries.find((one) => one.kind === 'confirm' && one.checkpoint >= checkpoint) : undefined
  const back = takenBack(checkpoint, entries)
  const isVoided = isLogged && (!lineage.checkpoints.includes(entry) || back?.wasConfirmed === false)
  const isConfirmed = !isVoided && checkpoint <= lineage.confirmedUpTo
  return {
    checkpoint,
    epoch,
    publishedAt: at,
    confirmedAt: isConfirmed ? (confirmed?.at ?? null) : null,
    state: isVoided ? 'voided' : isConfirmed ? 'confirmed' : 'pending',
    read: accounting.read,
    written: accounting.written,
    pending: lineage.pending.filter((item) => item.checkpoint === checkpoint).length,
    tookMs,
    confirmedAfterMs: isConfirmed && confirmed !== undefined ? Date.parse(confirmed.at) - Date.parse(at) : null,
    isSavepoint: kept.has(checkpoint),
    takenBackBy: back?.by ?? null,
    manifestBytes: encodeEntry(entry).length,
    decisions: [
      ...rollbackOf(entry),
      ...entries.flatMap((one) => (one.kind === 'decision' ? decisionOn(checkpoint, one) : [])),
    ],
  }
}

function rollbackOf({ rollback, at }: CheckpointEntry): CheckpointDecision[] {
  if (rollback === undefined) return []
  const { to, by, reason } = rollback
  return [{ action: `rollback to ${to}`, sink: null, at, by, reason }]
}

function decisionOn(checkpoint: number, { decision, at, by, reason }: DecisionEntry): CheckpointDecision[] {
  const about = decision.action === 'rewind' ? decision.void : decision.checkpoint
  if (about !== checkpoint) return []
  return [{ action: decision.action, sink: decision.action === 'rewind' ? null : decision.sink, at, by, reason }]
}
