import { decisionCase, type Answer, type DecisionCase, type Examined } from '../checkpoint/decision-case.ts'
import type { Lineage } from '../checkpoint/lineage.ts'
import type { Evidence } from '../core/checkpoint-types.ts'
import { MillraceError } from '../core/errors.ts'
import type { Ledger } from '../storage/ledger.ts'
import type { Committer } from './committer.ts'
import type { SinkSide } from './sink-side.ts'

export interface DecideOptions {
  /** Has claimed an epoch: whoever ran before can publish nothing any more. */
  readonly ledger: Ledger
  readonly sinks: SinkSide
  readonly committer: Committer
  readonly answer: Answer
  readonly by: string
  readonly reason: string
  /** Somebody has looked and found that what is unknown is not in the table: a rewind needs it. */
  readonly isNotThere: boolean
}

/** Asks the sinks about everything pending, and about what was confirmed last. Changes nothing. */
export async function examine(lineage: Lineage, sinks: SinkSide): Promise<DecisionCase | undefined> {
  const examined = await examinePending(lineage, sinks)
  // Confirmed work is in doubt only where its sink proves that it is gone.
  const confirmed = await sinks.examineConfirmed(lineage.confirmed)
  if (confirmed.some(({ evidence }) => evidence.state === 'lost')) examined.push(...confirmed)
  return decisionCase(lineage, examined)
}

/** What the sinks say about everything that is published and not confirmed. Changes nothing. */
export async function examinePending(lineage: Lineage, sinks: SinkSide): Promise<Examined[]> {
  await sinks.verify(lineage.newest?.sinks ?? {})
  const examined: Examined[] = []
  for (const item of lineage.pending) {
    const sink = sinks.coordinators.get(item.sink)
    if (sink === undefined) {
      throw new MillraceError(`the pipeline has no sink "${item.sink}", whose rows are pending`, { code: 'CONFIG' })
    }
    const [evidence] = await sink.evidence([item.committable])
    const nothing: Evidence = { state: 'unknown', reason: 'the sink gave no evidence' }
    examined.push({ item, evidence: evidence ?? nothing })
  }
  return examined
}

/**
 * Carries an operator's answer out. A rewind first makes sure that nothing of the checkpoint can become visible, then
 * voids it: the other way round somebody could commit it in between. The other answers give up only what is really in
 * doubt: parts of the same checkpoint and sink that are still prepared are committed before.
 */
export async function decide(options: DecideOptions, decided: DecisionCase): Promise<void> {
  const { ledger, answer, by, reason } = options
  const { checkpoint, sink } = decided
  refuseIllegal(decided, answer)
  if (answer === 'rewind') {
    await abortAll(options, decided)
    return ledger.decide({ action: 'rewind', void: checkpoint }, by, reason)
  }
  await commitRest(options, decided)
  return ledger.decide({ action: answer, checkpoint, sink }, by, reason)
}

async function abortAll({ sinks, isNotThere }: DecideOptions, decided: DecisionCase): Promise<void> {
  const { ofCheckpoint, checkpoint } = decided
  // What is in doubt goes first: a refusal must leave the others as they are.
  const inState = (state: Evidence['state']): Examined[] =>
    ofCheckpoint.filter(({ evidence }) => evidence.state === state)
  for (const { item, evidence } of [...inState('unknown'), ...inState('committable')]) {
    const outcome = await sinks.coordinators.get(item.sink)?.abort(item.committable)
    if (outcome === 'aborted') continue
    if (outcome === 'unknown' && evidence.state === 'unknown' && isNotThere) continue
    const why =
      outcome === 'committed'
        ? `${item.rows} rows of it are visible in ${item.sink}`
        : `${item.sink} cannot tell whether ${item.rows} rows of it are in the table; look, and say so with --not-there`
    throw new MillraceError(`checkpoint ${checkpoint} was not taken back: ${why}`, { code: 'OUTCOME_UNKNOWN' })
  }
}

async function commitRest({ ledger, committer }: DecideOptions, decided: DecisionCase): Promise<void> {
  const { newest, pending } = ledger.lineage()
  if (newest === undefined) return
  const troubled = new Set(decided.troubled.map(({ item }) => item))
  // Within a sink commits run in order, so what came before goes first.
  const rest = pending.filter(
    (item) => item.sink === decided.sink && item.checkpoint <= decided.checkpoint && !troubled.has(item),
  )
  await committer.commitAll(ledger.recommitPermit(newest.checkpoint), rest)
}

export function refuseIllegal({ checkpoint, noRewind, legal }: DecisionCase, answer: Answer): void {
  if (legal.includes(answer)) return
  const why = answer === 'rewind' && noRewind !== undefined ? `: ${noRewind}` : ''
  throw new MillraceError(
    `checkpoint ${checkpoint} cannot be decided with ${answer}${why}. What can: ${legal.join(', ')}`,
    { code: 'CONFIG', detail: { legal } },
  )
}
