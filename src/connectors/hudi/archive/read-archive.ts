import type { FileStore } from '../../../core/file-store.ts'
import type { Instant } from '../instant.ts'
import { readProperties } from '../table.ts'
import { decodeLog } from './archive-log.ts'

export interface ArchiveFile {
  readonly path: string
  readonly number: number
}

interface ArchivedEntry {
  readonly commitTime: string | null
  readonly actionType: string | null
  readonly actionState: string | null
  readonly hoodieCommitMetadata: { readonly extraMetadata?: Readonly<Record<string, string>> | null } | null
  readonly hoodieReplaceCommitMetadata: { readonly extraMetadata?: Readonly<Record<string, string>> | null } | null
}

/** Where the table keeps its archives; Hudi 1.2 calls it otherwise than 0.15. */
export async function archiveFolder(store: FileStore): Promise<string> {
  const properties = await readProperties(store)
  return `.hoodie/${properties?.['hoodie.archivelog.folder'] ?? 'archived'}/`
}

/** Files of archived instants, newest first. */
export async function archiveFiles(store: FileStore): Promise<readonly ArchiveFile[]> {
  const folder = await archiveFolder(store)
  const files: ArchiveFile[] = []
  for await (const { path } of store.list(folder)) {
    const number = /^\.commits_\.archive\.(\d+)_[0-9-]+$/.exec(path.slice(folder.length))?.[1]
    if (number !== undefined) files.push({ path, number: Number(number) })
  }
  return files.sort((a, b) => b.number - a.number)
}

/** Times of the instants in a file. */
export async function archivedTimes(store: FileStore, { path }: ArchiveFile): Promise<ReadonlySet<string>> {
  return new Set((await entriesOf(store, path)).map(({ commitTime, actionType }) => `${commitTime}.${actionType}`))
}

/** The metadata of a completed write that was archived, by whomever; `undefined` when no archive has it. */
export async function readArchived(
  store: FileStore,
  instant: Instant,
): Promise<Readonly<Record<string, string>> | undefined> {
  for (const { path } of await archiveFiles(store)) {
    const found = (await entriesOf(store, path)).find(
      ({ commitTime, actionState, hoodieCommitMetadata, hoodieReplaceCommitMetadata }) =>
        commitTime === instant &&
        actionState === 'COMPLETED' &&
        (hoodieCommitMetadata !== null || hoodieReplaceCommitMetadata !== null),
    )
    if (found !== undefined)
      return (found.hoodieCommitMetadata ?? found.hoodieReplaceCommitMetadata)?.extraMetadata ?? {}
  }
  return undefined
}

async function entriesOf(store: FileStore, path: string): Promise<readonly ArchivedEntry[]> {
  return decodeLog((await store.read(path)) ?? new Uint8Array(0), path) as readonly ArchivedEntry[]
}
