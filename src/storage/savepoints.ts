import { join } from 'node:path'
import type { CheckpointEntry } from '../checkpoint/entries.ts'
import { decodeSavepoint, encodeSavepoint } from '../checkpoint/savepoint.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import { MillraceError } from '../core/errors.ts'
import { failpoint } from '../core/failpoints.ts'
import type { CheckpointLog } from './checkpoint-log.ts'
import { openCheckpointLog, openLogReader, type StatePlace } from './state-place.ts'

/*
 * Savepoints stand beside the checkpoint log, under the numbers of their checkpoints, and are written as its entries are:
 * whole, durable, and once. Nothing but a person removes them, and neither collecting the log nor reading it touches them.
 */

/** Keeps a copy. Doing it again is success. */
export async function keepSavepoint(place: StatePlace, entry: CheckpointEntry): Promise<'kept' | 'was there'> {
  const kept = await openCheckpointLog(besides(place), `savepoint-${process.pid}`)
  try {
    return await keepIn(kept, entry)
  } finally {
    await kept.close()
  }
}

/** The same in a place that is open. */
export async function keepIn(kept: CheckpointLog, entry: CheckpointEntry): Promise<'kept' | 'was there'> {
  failpoint('savepoint.copy', 'before')
  const bytes = encodeSavepoint(entry)
  const outcome = await kept.append(entry.checkpoint, bytes)
  failpoint('savepoint.copy', 'after')
  if (outcome === 'appended') return 'kept'
  const found = await kept.read(entry.checkpoint)
  if (found !== undefined && Buffer.compare(found, bytes) === 0) return 'was there'
  throw new MillraceError(`${kept.address} holds another savepoint ${entry.checkpoint}`, { code: 'STORE_CORRUPT' })
}

/** All that are kept, oldest first. */
export async function readSavepoints(place: StatePlace): Promise<readonly CheckpointEntry[]> {
  const kept = await openLogReader(besides(place))
  return kept === undefined ? [] : readFrom(kept)
}

/** The same from a place that is open. */
export async function readFrom(kept: CheckpointLog): Promise<readonly CheckpointEntry[]> {
  const found: CheckpointEntry[] = []
  for (const checkpoint of await kept.list(0)) {
    const entry = await readOne(kept, checkpoint)
    if (entry !== undefined) found.push(entry)
  }
  return found
}

async function readOne(kept: CheckpointLog, checkpoint: CheckpointId): Promise<CheckpointEntry | undefined> {
  const bytes = await kept.read(checkpoint)
  return bytes === undefined ? undefined : decodeSavepoint(bytes, checkpoint)
}

function besides({ name, directory, remote }: StatePlace): StatePlace {
  const place = { name, directory: join(directory, 'savepoints') }
  return remote === undefined ? place : { ...place, remote: { ...remote, address: `${remote.address}/savepoints` } }
}
