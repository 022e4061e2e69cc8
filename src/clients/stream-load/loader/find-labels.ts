import type { RunEpoch } from '../../../core/checkpoint-types.ts'
import { labelOf } from '../labels.ts'
import { WRITERS_LOOKED_FOR, type LabelScope } from './sweep-labels.ts'

/** A life begins with these; the server can be asked about one label after the other only. */
const EPOCHS_LOOKED_FOR: readonly RunEpoch[] = [1, 2, 3]
const CHECKPOINTS_LOOKED_FOR: readonly number[] = [1, 2]

/**
 * Labels of an earlier life: those that its first checkpoints had. A server forgets labels (StarRocks after three days or
 * a thousand transactions, Doris after twelve hours or two thousand), so none is no proof that there was no such life;
 * its labels cannot collide with ours then.
 */
export async function findLabels(options: LabelScope & { readonly own: RunEpoch }): Promise<readonly string[]> {
  const { base, writers, isNumbered, own, state } = options
  const labels = [...new Set([...EPOCHS_LOOKED_FOR, own])].flatMap((epoch) =>
    CHECKPOINTS_LOOKED_FOR.flatMap((checkpoint) =>
      Array.from({ length: Math.max(writers, WRITERS_LOOKED_FOR) }, (_, writer) => ({
        epoch,
        label: labelOf({ ...base, epoch, checkpoint, writer, attempt: 0, ...(isNumbered ? { load: 0 } : {}) }),
      })),
    ),
  )
  const found = await Promise.all(
    labels.map(async ({ epoch, label }) => (isTrace(await state(label), epoch >= own) ? [label] : [])),
  )
  return found.flat()
}

/** What is open below our own epoch was left by a start that published nothing: the sweep takes care of it. */
function isTrace(state: string, isOurs: boolean): boolean {
  return state === 'COMMITTED' || state === 'VISIBLE' || (isOurs && state !== 'UNKNOWN' && state !== 'ABORTED')
}
