import { decideRemedy, legalDecisions } from '../checkpoint/remedy.ts'
import type { Lineage } from '../checkpoint/lineage.ts'
import type { PendingCommittable } from '../core/checkpoint-types.ts'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import type { Ledger } from '../storage/ledger.ts'
import type { Committer, CommitTrouble } from './committer.ts'
import type { SinkSide } from './sink-side.ts'

/**
 * A published committable is lost or unknown. What is lost and kept is loaded again. Where it is proven that nothing of the
 * checkpoint is visible, the others of the checkpoint are aborted, then the checkpoint is voided (in this order: an old
 * instance that rightly believes in it could commit it in between), and the caller goes on from the one before. Otherwise
 * throws the halting error. Tells what was done.
 */
export async function settleTrouble(
  trouble: CommitTrouble,
  ledger: Ledger,
  committer: Committer,
  sinks: SinkSide,
): Promise<string> {
  const lineage = ledger.lineage()
  const { item, decision } = trouble
  const remedy = decideRemedy(lineage, { item, ...decision }, committer.committed)
  if (remedy.kind !== 'rewind') {
    // Also when another one halts: nobody shall have to decide about what needs no decision.
    const again = await reloadLost(ledger, sinks)
    if (again > 0) return `kept rows of ${again} lost transactions were loaded again`
  }
  // The evidence has changed its mind, such as when a name was forgotten: the commit is asked for once more.
  if (remedy.kind === 'reload') return 'it was to be loaded again, and is not lost any more'
  if (remedy.kind === 'halt') throw halting(trouble, lineage, committer, remedy.why)
  for (const other of remedy.abort) {
    const outcome = await sinks.coordinators.get(other.sink)?.abort(other.committable)
    if (outcome !== 'aborted')
      throw halting(trouble, lineage, committer, `${other.sink} answered "${outcome}" to the abort`)
  }
  await ledger.decide({ action: 'rewind', void: remedy.void }, 'millrace', `${item.sink}: ${decision.reason}`)
  return `checkpoint ${item.checkpoint} was voided`
}

/**
 * Prepares the rows of everything that is lost and kept once more. The order is that of a checkpoint: prepared, then in the
 * log, then committed. A process that dies in between leaves a transaction that the next one sweeps, and one that was fenced
 * meanwhile takes its own back.
 */
async function reloadLost(ledger: Ledger, sinks: SinkSide): Promise<number> {
  let again = 0
  for (const item of ledger.lineage().pending) {
    const sink = sinks.coordinators.get(item.sink)
    if (sink?.reload === undefined) continue
    const [evidence] = await sink.evidence([item.committable])
    if (evidence?.state !== 'lost' || evidence.isKept !== true) continue
    const committable = await sink.reload(item.committable, ledger.epoch)
    const { checkpoint, committable: lost } = item
    const next = { ...item, epoch: ledger.epoch, committable }
    try {
      await ledger.decide(
        { action: 'reload', checkpoint, sink: item.sink, lost, item: next },
        'millrace',
        evidence.reason,
      )
    } catch (error) {
      if (toMillraceError(error).code === 'FENCED') await sink.abort(committable).catch(() => undefined)
      throw error
    }
    again += 1
  }
  return again
}

/** The report of a halt: sink, checkpoint, names, rows, source ranges and what may be decided. */
function halting(
  { item, decision }: CommitTrouble,
  lineage: Lineage,
  committer: Committer,
  why: string,
): MillraceError {
  const { checkpoint } = item
  const isPartVisible = lineage.pending.some((one) => one.checkpoint === checkpoint && committer.committed.has(one))
  const legal = legalDecisions(lineage, item, isPartVisible)
  return new MillraceError(
    `checkpoint ${item.checkpoint} of the sink "${item.sink}" (${item.rows} rows): ${decision.reason}; ${why}. ` +
      `Decide with \`millrace decide\`: ${legal.join(', ')}.`,
    { code: decision.code, detail: { ...reportOf(item, lineage), decisions: legal } },
  )
}

function reportOf(item: PendingCommittable, lineage: Lineage): { [key: string]: unknown } {
  const at = lineage.checkpoints.findIndex((entry) => entry.checkpoint === item.checkpoint)
  const before = lineage.checkpoints[at - 1]
  const ranges = Object.entries(lineage.checkpoints[at]?.sources ?? {}).flatMap(([source, splits]) =>
    splits.map((split) => ({
      source,
      split: split.split,
      from: before?.sources[source]?.find((old) => old.split === split.split)?.at ?? null,
      to: split.at,
    })),
  )
  return { sink: item.sink, checkpoint: item.checkpoint, rows: item.rows, committable: item.committable, ranges }
}
