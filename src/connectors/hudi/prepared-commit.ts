import type { WriteStat } from './commit-metadata.ts'
import type { Instant } from './instant.ts'
import type { MergeInput } from './merge/choose-merge.ts'
import type { Owner } from './owner.ts'
import type { WriteAction } from './timeline-file.ts'

/** A commit as a checkpoint carries it: all that is needed to complete the instant from another process. */
export interface PreparedCommit {
  readonly instant: Instant
  readonly owner: Owner
  readonly avroSchema: string
  readonly stats: readonly WriteStat[]
  /** Of a merge: what its files take the place of. */
  readonly merge?: MergeSource
}

export interface MergeSource {
  readonly inputs: readonly MergeInput[]
  /** The newest instant of the table when the inputs were chosen. */
  readonly chosenAt: Instant
}

/** A merge replaces files, everything else adds some. */
export function actionOf({ merge }: Pick<PreparedCommit, 'merge'>): WriteAction {
  return merge === undefined ? 'commit' : 'replacecommit'
}
