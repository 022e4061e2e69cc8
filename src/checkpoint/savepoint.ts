import type { CheckpointId } from '../core/checkpoint-types.ts'
import { MillraceError } from '../core/errors.ts'
import { decodeEntry, encodeEntry, type CheckpointEntry } from './entries.ts'
import type { Lineage } from './lineage.ts'

/**
 * What a savepoint of this moment is: the newest checkpoint that is confirmed. Nothing is pending of it, so it can be gone
 * back to without committing anybody's work. `undefined` before the first one.
 */
export function savepointOf({ checkpoints, confirmedUpTo }: Lineage): CheckpointEntry | undefined {
  const entry = checkpoints.findLast(({ checkpoint }) => checkpoint <= confirmedUpTo)
  return entry === undefined ? undefined : { ...entry, pending: [] }
}

/** The bytes of a savepoint: those of a manifest that lists nothing to commit. */
export function encodeSavepoint(entry: CheckpointEntry): Buffer {
  return encodeEntry({ ...entry, pending: [] })
}

/** Throws STORE_CORRUPT when it is damaged, or is another one than its name says. */
export function decodeSavepoint(bytes: Uint8Array, checkpoint: CheckpointId): CheckpointEntry {
  const seq = Number(/"seq":(\d+)/.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? Number.NaN)
  const entry = decodeEntry(bytes, seq)
  if (entry.kind === 'checkpoint' && entry.checkpoint === checkpoint && entry.pending.length === 0) return entry
  throw new MillraceError(`what is kept as savepoint ${checkpoint} is none of that checkpoint`, {
    code: 'STORE_CORRUPT',
    detail: { checkpoint },
  })
}
