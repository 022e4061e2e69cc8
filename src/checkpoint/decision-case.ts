import type { CheckpointId, Evidence, PendingCommittable } from '../core/checkpoint-types.ts'
import type { Decision } from './entries.ts'
import type { Lineage } from './lineage.ts'
import { DECIDED, hasPlaceBefore, legalDecisions } from './remedy.ts'

export interface Examined {
  readonly item: PendingCommittable
  readonly evidence: Evidence
}

/** What a person may answer; rows are loaded again without being asked for. */
export type Answer = Exclude<Decision['action'], 'reload'>

/** What an operator has to decide: the oldest checkpoint and sink of which something is lost or unknown. */
export interface DecisionCase {
  readonly checkpoint: CheckpointId
  readonly sink: string
  /** What of this checkpoint and sink is lost or unknown. */
  readonly troubled: readonly Examined[]
  /** Everything pending of this checkpoint, all sinks. */
  readonly ofCheckpoint: readonly Examined[]
  /** Rows of the troubled ones. */
  readonly rows: number
  /** The sink itself says that every troubled one is not there. Otherwise a person has to look. */
  readonly isProven: boolean
  readonly legal: readonly Answer[]
  /** Why there is no going back, where there is none. */
  readonly noRewind: string | undefined
}

/** `undefined` when nothing is in doubt: the next start commits what is pending. */
export function decisionCase(lineage: Lineage, examined: readonly Examined[]): DecisionCase | undefined {
  // What is lost and kept is loaded again by the next start; that is in doubt only when nothing else is.
  const isInDoubt = examined.some((one) => isTroubled(one) && !isKept(one))
  const isTheirs = (one: Examined): boolean => isTroubled(one) && !(isInDoubt && isKept(one))
  const first = examined.find(isTheirs)?.item
  if (first === undefined) return undefined
  const { checkpoint, sink } = first
  const ofCheckpoint = examined.filter(({ item }) => item.checkpoint === checkpoint)
  const troubled = ofCheckpoint.filter((one) => one.item.sink === sink && isTheirs(one))
  const noRewind = whyNoRewind(lineage, first, ofCheckpoint)
  const isPartVisible = ofCheckpoint.some(({ evidence }) => evidence.state === 'committed')
  return {
    checkpoint,
    sink,
    troubled,
    ofCheckpoint,
    rows: troubled.reduce((sum, { item }) => sum + item.rows, 0),
    isProven: troubled.every(({ evidence }) => evidence.state === 'lost'),
    legal: legalDecisions(lineage, first, isPartVisible),
    noRewind,
  }
}

function isTroubled({ evidence }: Examined): boolean {
  return evidence.state === 'lost' || evidence.state === 'unknown'
}

function isKept({ evidence }: Examined): boolean {
  return evidence.state === 'lost' && evidence.isKept === true
}

function whyNoRewind(
  lineage: Lineage,
  item: PendingCommittable,
  ofCheckpoint: readonly Examined[],
): string | undefined {
  if (lineage.newest?.checkpoint !== item.checkpoint) return 'a later checkpoint is built on it'
  if (!hasPlaceBefore(lineage)) return 'there is no place before it to go back to'
  if (lineage.decided.has(item.checkpoint)) return DECIDED
  const visible = ofCheckpoint.find(({ evidence }) => evidence.state === 'committed')
  if (visible === undefined) return undefined
  return `${visible.item.rows} rows of it are visible in ${visible.item.sink} and would be written again`
}
