import { MillraceError } from '../../core/errors.ts'
import type { Snapshot, TableMetadata } from './table-metadata.ts'

/** Which snapshot is meant. */
export type SnapshotChoice =
  | { readonly kind: 'ref'; readonly name: string }
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'time'; readonly timestampMs: number }

/**
 * The chosen snapshot; `undefined` when the chosen branch is `main` and the table has no snapshot yet.
 *
 * @throws MillraceError `CONFIG` when there is no such branch, tag, id or moment, with what there is.
 */
export function chooseSnapshot(metadata: TableMetadata, choice: SnapshotChoice): Snapshot | undefined {
  switch (choice.kind) {
    case 'ref':
      return chooseRef(metadata, choice.name)
    case 'id':
      return metadata.snapshots.get(choice.id) ?? refuse(metadata, `it has no snapshot ${choice.id}`, idsOf(metadata))
    case 'time': {
      const entry = metadata.log.findLast(({ timestampMs }) => timestampMs <= choice.timestampMs)
      const at = new Date(choice.timestampMs).toISOString()
      if (entry === undefined) return refuse(metadata, `it had no snapshot at ${at}`, timesOf(metadata))
      const why = `the snapshot that was current at ${at} (${entry.snapshotId}) has expired`
      return metadata.snapshots.get(entry.snapshotId) ?? refuse(metadata, why, idsOf(metadata))
    }
  }
}

function chooseRef(metadata: TableMetadata, name: string): Snapshot | undefined {
  const ref = metadata.refs.get(name)
  if (ref === undefined) {
    if (name === 'main') return undefined
    return refuse(metadata, `it has no branch or tag ${JSON.stringify(name)}`, [...metadata.refs.keys()].join(', '))
  }
  return metadata.snapshots.get(ref.snapshotId) ?? refuse(metadata, `the snapshot of ${name} is missing`, 'nothing')
}

/** The snapshots after `from`, oldest first, up to the head. `broken` when `from` is no ancestor of the head. */
export function snapshotsAfter(
  metadata: TableMetadata,
  head: Snapshot,
  from: string | undefined,
): { readonly snapshots: readonly Snapshot[] } | { readonly broken: string } {
  const path: Snapshot[] = []
  for (let at: Snapshot | undefined = head; at !== undefined;) {
    if (at.id === from) return { snapshots: path.reverse() }
    path.push(at)
    const { parentId }: Snapshot = at
    if (path.length > metadata.snapshots.size) return { broken: 'its snapshots are each other’s parents' }
    // `from` itself may have expired: nothing of it is needed any more.
    if (parentId === from) return { snapshots: path.reverse() }
    if (parentId === undefined) return { broken: `snapshot ${from} is no ancestor of ${head.id}` }
    at = metadata.snapshots.get(parentId)
    if (at === undefined) {
      return { broken: `snapshot ${parentId}, which came after ${from} or in its place, has expired` }
    }
  }
  return { broken: `snapshot ${from} is no ancestor of ${head.id}` }
}

function idsOf(metadata: TableMetadata): string {
  return [...metadata.snapshots.keys()].slice(-10).join(', ')
}

function timesOf(metadata: TableMetadata): string {
  const [first] = metadata.log
  return first === undefined ? 'nothing' : `snapshots since ${new Date(first.timestampMs).toISOString()}`
}

function refuse(metadata: TableMetadata, why: string, there: string): never {
  throw new MillraceError(`choosing a snapshot of ${metadata.location}: ${why}; there is ${there || 'none'}`, {
    code: 'CONFIG',
  })
}
